"""The chat line by line, for screen readers and terminals that cannot draw a screen."""
