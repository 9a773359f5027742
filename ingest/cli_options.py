"""The arguments of the ingest script, for both commands that offer it. Imports nothing heavy, as `--help` needs it."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="PDF files, and folders with PDFs in them")
    parser.add_argument(
        "--prune", action="store_true", help="remove the documents whose files were in these folders and are gone"
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="passwords of locked PDFs: one a line, or a file's name, a tab and its password; - is stdin",
    )
    parser.add_argument(
        "--follow-links", action="store_true", help="also take in what links in these folders lead to outside them"
    )
    parser.add_argument("--watch", action="store_true", help="stay, and take in what is added or changed, until Ctrl-C")
