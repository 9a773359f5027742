"""The reader: finds an answer's words in a passage, says whether they are there, and how well the passage fits."""
