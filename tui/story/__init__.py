"""The story studio: the page of a manuscript as an editor of prose, and what goes with it."""
