"""Training data: read, mapped to conversations, cleaned, split, rendered to tokens, and looked at."""
