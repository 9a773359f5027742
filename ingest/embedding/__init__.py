"""Text becomes vectors: embedding models, how they are loaded, converted and run."""
