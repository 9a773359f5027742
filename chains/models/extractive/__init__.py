"""The model that writes nothing: it picks sentences from the sources."""
