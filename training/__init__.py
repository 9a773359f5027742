"""Trains the reader (chains/reader) from question-answer pairs. Nothing of the program imports this package."""
