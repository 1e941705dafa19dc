"""What goes with a message: files named in it by `@path`, and long texts that were pasted into it."""
