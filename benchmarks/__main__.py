"""python -m benchmarks ingest | query"""

import argparse
import importlib
import importlib.util
import sys

_ALL = {
    "ingest": "pages a second, against a plain stack over the same files",
    "query": "how long a question takes, by the size of the library",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Pagewise costs, measured.")
    commands = parser.add_subparsers(dest="command", required=True)
    runs = {}
    for name, help in _ALL.items():
        if importlib.util.find_spec(f"benchmarks.{name}"):
            module = importlib.import_module(f"benchmarks.{name}")
            module.add_arguments(commands.add_parser(name, help=help))
            runs[name] = module.run
    args = parser.parse_args(arguments)
    return int(runs[args.command](args))


if __name__ == "__main__":
    sys.exit(main())
