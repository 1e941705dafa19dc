"""Grammars: from JSON schemas, GBNF and choices to nodes, and from nodes to masks and the shortest way to the end."""
