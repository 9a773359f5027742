"""How a number of things is said. By itself, so that a command that only says one need not load what reads PDFs."""


def some(number: int, what: str) -> str:
    """ "1 page", "2 pages"."""
    return f"{number} {what}" + ("" if number == 1 else "s")
