"""The `fireside` subcommands, one module each; imported only when called."""
