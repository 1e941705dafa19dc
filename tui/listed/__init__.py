"""A screen with a list and what the marked line is: what models, adapters, evaluations and tools have in common."""
