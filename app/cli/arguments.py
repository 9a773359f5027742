"""What the `pagewise` command understands: its commands and their options. Imports nothing that takes time."""

import argparse
from importlib.metadata import version

from ingest.cli_options import add_arguments

CHAINS = ("stuff", "map_reduce", "refine", "map_rerank")
SUMMARIES = ("stuff", "map_reduce", "refine", "recursive")
CAPS = ("max_calls", "max_tokens", "max_seconds", "max_cost")
# The settings that an option sets.
OVERRIDES = (
    *("data", "passages", "model", "language", "rerank", "port", "step_back", "think", "split", "examples"),
    *CAPS,
)
_CAPPED = ("many calls", "many tokens", "many seconds", "much money, by prices.toml")


def parser() -> argparse.ArgumentParser:
    """All commands with their options; `command` is the chosen one's name."""
    top = argparse.ArgumentParser(
        prog="pagewise",
        description="Ask questions of your own PDFs and see the page that proves each sentence.",
        epilog="Exit codes: 0 done, partly done or refused; 1 something failed; 2 wrong use; 130 stopped.",
    )
    top.add_argument("--data", metavar="DIR", help="the library's folder (else PAGEWISE_DATA)")
    top.add_argument("--version", action="version", version=f"pagewise {version('pagewise')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, about: str, *options: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        one.add_argument("--data", metavar="DIR", default=argparse.SUPPRESS, help="the same as before the command")
        if "json" in options:
            one.add_argument("--json", action="store_true", help="print one JSON value and nothing else")
        if "document" in options:
            one.add_argument(
                "--document",
                action="append",
                dest="documents",
                metavar="NAME",
                help="only this one (name or id); again for more",
            )
        if "question" in options:
            one.add_argument("question", nargs="?", metavar="QUESTION", type=_text)
            one.add_argument("--from", dest="file", metavar="FILE.jsonl", help="one question per line; - is stdin")
        if "scope" in options:
            one.add_argument("-k", type=int, dest="passages", metavar="N", help="how many passages")
            one.add_argument("--pages", type=_pages, metavar="A-B", help="only these pages of each document")
            one.add_argument("--since", type=int, metavar="YEAR", help="only documents of this year or later")
            one.add_argument("--until", type=int, metavar="YEAR", help="only documents of this year or earlier")
        if "rerank" in options:
            one.add_argument(
                "--rerank",
                choices=("answer", "score"),
                help="map_rerank: answer from each passage, or score each and answer from the best (else "
                "PAGEWISE_RERANK, score)",
            )
        if "model" in options:
            one.add_argument("--model", metavar="SPEC", help="extractive, openai:<model>, local:<folder or hub id>")
            one.add_argument("--language", choices=("auto", "en", "zh"), help="of the answer; auto: the question's own")
            for name, kind, about in zip(CAPS, (int, int, float, float), _CAPPED, strict=True):
                option = f"--{name.replace('_', '-')}"
                one.add_argument(option, type=kind, metavar="N", help=f"end with what there is at so {about}")
            one.add_argument("--again", action="store_true", help="ask anew, also what was answered before")
        if "ways" in options:
            for option, about in (
                ("--step-back", "also search for the more general question behind it"),
                ("--think", "let the model reason before it answers, apart from the answer"),
                ("--split", "search for the parts of the question apart"),
            ):
                one.add_argument(option, action="store_const", const="on", help=about)
            one.add_argument("--examples", metavar="FILE", help="questions and answers that show the manner you want")
        return one

    one = command("run", "start the web app")
    one.add_argument("--port", type=int, metavar="N", help="listen on this port (else PAGEWISE_PORT, 8501)")
    one = command("ingest", "add PDFs to the library: files, and folders with all that is in them", "json")
    add_arguments(one)
    command("list", "list the documents of the library", "json")
    one = command("health", "what became of each page of a document", "json")
    one.add_argument("document", metavar="DOCUMENT", help="its name or id")
    one = command("remove", "remove a document and everything that was made from it", "json")
    one.add_argument("document", metavar="DOCUMENT", help="its name or id")
    command("repair", "make a damaged library whole again from the PDFs that it stores", "json")
    command("models", "list the models that can be chosen on this machine", "json")
    one = command("search", "find passages, without answering", "json", "document", "question", "scope")
    one.add_argument("--explain", action="store_true", help="say why each passage is there")
    how = ("json", "document", "scope", "model", "rerank", "ways")
    one = command("ask", "answer a question from the documents", "question", *how)
    one.add_argument("--chain", choices=CHAINS, help="how the passages are read (else PAGEWISE_CHAIN, stuff)")
    one = command("compare", "answer a question by all four chains", *how)
    one.add_argument("question", metavar="QUESTION", type=_text)
    one = command("summarize", "summarize a document", "json", "model")
    one.add_argument("document", metavar="DOCUMENT", help="its name or id")
    one.add_argument("--chain", choices=SUMMARIES, default="map_reduce", help="how it is read (map_reduce)")
    one.add_argument("--plan", action="store_true", help="only say what it takes at most; nothing is asked")
    one = command("prices", "what the models cost, and where the table is", "json")
    one.add_argument("--init", action="store_true", help="write the file with its format explained, if there is none")
    one = command("settings", "show every setting, its value in force and where it is from", "json")
    one.add_argument(
        "--trust", action="store_true", help="agree to the pagewise.toml of this folder, as long as it stays as it is"
    )
    return top


def _text(argument: str) -> str:
    """An argument as text that can be stored and printed; a terminal may hand in bytes that are not."""
    text = argument.encode("utf-8", "replace").decode()
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _pages(argument: str) -> tuple[int, int]:
    """12, or 10-20."""
    first, _, last = argument.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and 0 < int(first) <= int(last or first)):
        raise argparse.ArgumentTypeError("it is no page, such as 12, and no range of pages, such as 10-20")
    return int(first), int(last or first)
