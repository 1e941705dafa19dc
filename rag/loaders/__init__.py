"""One module a format; each turns a file's bytes into a `Document`. `formats` chooses the module."""
