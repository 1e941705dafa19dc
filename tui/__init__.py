"""The terminal: the Textual app and the `fireside` command."""
