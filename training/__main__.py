"""Trains what Pagewise learns from examples.

python -m training reader --data DIR_OR_FILES --out FOLDER        the reader: from question-answer pairs to its weights
python -m training average --of WEIGHTS… --out FOLDER             the mean of several runs' weights
python -m training calibrate --out FOLDER --data FILES …          when it refuses, and what it gets right
python -m training spans --data FILE… --out FILE                  the finder of Chinese words
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from training import calibrate, reader, spans, weight_averaging

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "average": weight_averaging.main,
    "calibrate": calibrate.main,
    "reader": reader.main,
    "spans": spans.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """What the command named first gives back; 2: there is no such command."""
    args = sys.argv[1:] if argv is None else argv
    if not args or args[0] not in COMMANDS:
        print(f"usage: python -m training {{{','.join(COMMANDS)}}} …", file=sys.stderr)
        return 2
    return COMMANDS[args[0]](args[1:])


if __name__ == "__main__":
    sys.exit(main())
