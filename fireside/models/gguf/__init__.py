"""The llama.cpp engine: many replies at once in one context, adapters that swap, caches that last."""
