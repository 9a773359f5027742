"""A question before retrieval: condensed, expanded, and resolved to passages."""
