"""The `pagewise` command: arguments, and what it reads and prints."""
