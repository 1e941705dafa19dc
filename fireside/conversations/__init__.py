"""Conversations: messages as a tree, kept in SQLite."""
