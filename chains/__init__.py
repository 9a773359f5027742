"""A question becomes an answer with pages. Knows nothing of screens or settings."""
