"""Training runs as flat functions, to be read from top to bottom."""
