"""One file a visible thing."""
