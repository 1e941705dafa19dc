"""Screens of training runs: the list of them, one run as it goes, and several side by side."""
