"""What Pagewise costs, and beside what: `python -m benchmarks COMMAND`. Nothing of the program imports this."""
