"""Documents: load, chunk, embed, index, search and cite."""
