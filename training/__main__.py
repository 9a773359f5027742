"""Trains what Pagewise learns from examples: python -m training spans --data FILE… --out FILE"""

import sys
from collections.abc import Callable, Mapping, Sequence

from training import spans

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"spans": spans.main}


def main(argv: Sequence[str] | None = None) -> int:
    """What the command named first gives back; 2: there is no such command."""
    args = sys.argv[1:] if argv is None else argv
    if not args or args[0] not in COMMANDS:
        print(f"usage: python -m training {{{','.join(COMMANDS)}}} …", file=sys.stderr)
        return 2
    return COMMANDS[args[0]](args[1:])


if __name__ == "__main__":
    sys.exit(main())
