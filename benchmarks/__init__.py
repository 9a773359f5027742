"""What Pagewise costs, measured: nothing of the program imports this."""
