"""How well Pagewise does its work, measured on sets of questions that are given to it. Nothing imports this."""
