"""What in an answer its sources support: citations, quotes, numbers, refusals, agreement."""
