"""Lorebooks, character cards and stories of other programs, read from untrusted files."""
