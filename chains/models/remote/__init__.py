"""Models behind a server or an API."""
