"""The vocabulary: how well it fits a corpus, one that is trained or extended on a corpus, and embeddings for it."""
