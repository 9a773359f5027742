"""python -m benchmarks COMMAND: a command is the module of that name, with `add_arguments(parser)` and `run(args)`."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

import benchmarks


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Pagewise.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    runs = {}
    for found in pkgutil.iter_modules(benchmarks.__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"benchmarks.{found.name}")
        if hasattr(module, "add_arguments"):
            told = (module.__doc__ or "").split("\n")[0]
            module.add_arguments(commands.add_parser(found.name, help=told, description=module.__doc__))
            runs[found.name] = module.run
    args = parser.parse_args(argv)
    return int(runs[args.command](args))


if __name__ == "__main__":
    sys.exit(main())
