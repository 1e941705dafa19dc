"""The screen where settings are looked at and changed."""
