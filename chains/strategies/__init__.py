"""The chains: each one turns a question or a document and its sources into model calls."""
