"""Fireside's ground floor: settings, paths, models, conversations and stories, shared by every mode."""

__version__ = "0.1.0"
