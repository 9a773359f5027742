"""One stack asks a model server, in a process of its own. Needs nothing of the other stacks.

    python benchmarks/chain_stacks.py STACK

STACK: ours, langchain (its deprecated chains, with its own defaults) or bare (a client with nothing around it, which
shows what the server and the machine can do). The first line of the input is {"url", "texts", "room"}; each further
one is a job {"chain", "sources", "task", "window", "app", "fresh"} and is answered by {"wall", "shown", "counted",
"there"}: seconds, when each piece of text came to its reader (monotonic clock), and, of the stack's own counting in
this process, tokens counted and tokens given. Importing the libraries and opening the model come before the clock.
"""

import contextlib
import functools
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Job = Mapping[str, Any]
Told = dict[str, Any]
_QUESTION = "What colour is the lake?"


def _size(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def ours(url: str, texts: list[str], room: int) -> Callable[[Job], Told]:
    from app.background_jobs import Job as Background
    from chains.answer import CHAINS, answer_from, asked
    from chains.events import Answer, Step, Token, Trial
    from chains.execution.metered_model import Meter
    from chains.model import Model
    from chains.models import open_model
    from chains.prompt import Task
    from chains.strategies.whole_document import parts
    from ingest.document import PAGE_BREAK, Chunk, Page, Passage, Span

    passages, pages, at = [], [], 0
    for n, text in enumerate(texts, 1):
        chunk = Chunk(f"{n:032x}", "d" * 64, n - 1, at, at + len(text), text, "", (Span(n, str(n), 0, len(text)),))
        passages.append(Passage(chunk, "report.pdf", "Report", 1 / n))
        pages.append(Page(n, str(n), text))
        at += len(text) + len(PAGE_BREAK)

    def fresh(window: int) -> Model:
        return open_model("openai:bench", api_base=f"{url}/v1", context=window, parallel=room)

    kept = functools.cache(fresh)

    def opened(job: Job) -> Model:
        """The same one for all that is timed. Where counting is counted a new one: it remembers what it counted."""
        return (fresh if job.get("fresh") else kept)(job["window"])

    def question(job: Job) -> list[float]:
        """When each piece of text came: from the chain, or with "app" from the job that the screen follows."""
        given, model = asked(_QUESTION, _QUESTION, passages[: job["sources"]], "en"), opened(job)
        come: list[float] = []
        if job.get("app"):
            background = Background(lambda: answer_from(given, model, job["chain"]))
            batches = background.follow()
        else:
            batches = ((event,) for event in answer_from(given, model, job["chain"]))
        for batch in batches:
            for event in batch:
                if isinstance(event, Answer) and event.error:
                    raise event.error
                if isinstance(event, Token | Trial) and event.text.strip():
                    come.append(time.monotonic())
        return come

    def summary(job: Job) -> list[float]:
        task, meter, n = Task("summary", "Report", "en"), Meter(opened(job)), job["sources"]
        sources = parts(passages[:n], pages[:n], task, meter)
        meter.bound = CHAINS[job["chain"]].calls(task, sources, meter)
        come: list[float] = []
        for event in CHAINS[job["chain"]].run(task, sources, meter):
            if not isinstance(event, Step) and event.text.strip():
                come.append(time.monotonic())
        return come

    return lambda job: {"shown": (summary if job["task"] == "summary" else question)(job)}


def langchain(url: str, texts: list[str], room: int) -> Callable[[Job], Told]:
    import warnings

    warnings.simplefilter("ignore")
    from langchain_classic.chains.question_answering import load_qa_chain
    from langchain_classic.chains.summarize import load_summarize_chain
    from langchain_core.documents import Document
    from langchain_openai import ChatOpenAI

    counted = 0

    def count(text: str) -> list[int]:  # its own would be downloaded
        nonlocal counted
        size = _size(text)
        counted += size
        return [0] * size

    model = ChatOpenAI(model="bench", base_url=f"{url}/v1", api_key="none", custom_get_token_ids=count)
    documents = [Document(page_content=text, metadata={"page": n}) for n, text in enumerate(texts, 1)]
    made: dict[tuple[str, str], Any] = {}

    def ask(job: Job) -> Told:
        nonlocal counted
        counted = 0
        kind = (job["task"], job["chain"])
        if kind not in made:
            load = load_summarize_chain if job["task"] == "summary" else load_qa_chain
            made[kind] = load(model, chain_type=job["chain"])
        given = {"input_documents": documents[: job["sources"]]}
        made[kind].invoke(given if job["task"] == "summary" else {**given, "question": _QUESTION})
        return {"shown": [time.monotonic()], "counted": counted}  # nothing comes before all of it

    return ask


def bare(url: str, texts: list[str], room: int) -> Callable[[Job], Told]:
    from concurrent.futures import ThreadPoolExecutor

    import httpx

    pool, client = ThreadPoolExecutor(room), httpx.Client(timeout=60, trust_env=False)

    def call(text: str) -> float:
        body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": text}]}
        come = 0.0
        with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            for line in response.iter_lines():
                come = come or (time.monotonic() if line else 0.0)
        return come

    def ask(job: Job) -> Told:
        list(pool.map(call, texts[: job["sources"]]))
        return {"shown": [call("notes")]}

    return ask


# What each one needs beside the project, to tell whoever has not got it.
PACKAGES = {"langchain": "langchain-classic langchain-openai"}
STACKS = {"ours": ours, "langchain": langchain, "bare": bare}


def main(stack: str) -> int:
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what a library prints is no result
        start = json.loads(sys.stdin.readline())
        try:
            ask = STACKS[stack](**start)
        except ImportError as error:
            print(json.dumps({"missing": str(error)}), file=out, flush=True)
            return 1
        print(json.dumps({"ready": True}), file=out, flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            started = time.monotonic()
            told = ask(job)
            wall = time.monotonic() - started
            there = sum(_size(text) for text in start["texts"][: job["sources"]])
            print(json.dumps({"wall": wall, "counted": 0, "there": there, **told}), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
