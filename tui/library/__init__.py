"""The screen that looks into a document library."""
