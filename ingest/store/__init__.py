"""The library on disk: catalogue, word index, vectors, PDF files and caches."""
