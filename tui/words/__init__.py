"""The words of a reply, one chosen, and what the model might have written in its place."""
