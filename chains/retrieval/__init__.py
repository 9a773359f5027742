"""Retrieval: hybrid search, document prior, merging and re-ranking."""
