"""What a person at a terminal reads: steps as they come, answers, passages, documents, in lines."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TextIO
from unicodedata import east_asian_width

from app.cli.cost_output import plan_text, took_text
from app.safe_text import one_line
from chains.events import Answer, Event, Step, Token
from chains.retrieval.hybrid import Found
from chains.thinking import parted
from ingest.document import Page, Passage, Record
from ingest.plural import some
from ingest.store.library import Receipt
from ingest.terminal_text import visible, with_bold
from ingest.text.normalize import find

LANGUAGES = {"en": "English", "zh": "Chinese"}
_KEPT = {
    "unchanged": "the next one said the same",
    "refused": "the next one found no answer",
    "empty": "the next one was empty",
    "sources lost": "the next one had fewer of its sources",
}
_THOUGHT = 1000  # characters of what was reasoned, on one line


def why_line(found: Found) -> str:
    """The same for a person, on one line."""
    why = found.why
    parts = [f"score {found.passage.score:.2f}", f"words {why.words:.2f} ({', '.join(found.matched) or 'none'})"]
    parts += [f"cosine {why.meaning:.2f}"] if why.meaning is not None else []
    parts += [f"figures {why.figures:.2f}"] if why.figures else []
    parts += [f"document {why.document:.2f} ({', '.join(why.named_by)})"] if why.document else []
    parts += [f"re-ranked {why.reranked:.2f}"] if why.reranked is not None else []
    parts += [f"{why.joined} neighbours joined"] if why.joined > 1 else []
    parts += [f"near-copies left out: {why.folded}"] if why.folded else []
    return "; ".join(parts)


def receipt_line(receipt: Receipt) -> str:
    record = receipt.record
    counts = f"{some(receipt.rows, 'row')}, {some(receipt.vectors, 'vector')}, {some(receipt.tokens, 'token')}"
    after = f"{receipt.left} of these are still there" if receipt.left else "nothing of it is found any more"
    return f"Removed {record.name} ({record.id[:8]}): {counts}; {after}.\n"


def step_text(step: Step) -> str:
    """A step in words."""
    of = f"{step.done} of {step.total}"
    match step.name:
        case "condensed":
            return f"searching for: {step.text}"
        case "broader":
            return f"searching for this too: {step.text}" if step.text else "no more general question is used"
        case "split":
            return f"searching for {step.total} parts: {step.text}" if step.total else "the question stays whole"
        case "searched":
            names = {source.passage.name for source in step.sources}
            return f"found {some(len(step.sources), 'passage')} in {some(len(names), 'document')}"
        case "planned":
            return plan_text(step.plan, step.total) if step.plan else f"at most {some(step.total, 'model call')}"
        case "resumed":
            return f"already there: {step.done} of {some(step.total, 'call')}"
        case "level":
            return f"level {of}: " + (f"{step.text} notes" if step.done < step.total else "the last page")
        case "examples":
            left = "" if step.done == step.total else "; the others do not fit"
            return f"shows {step.done} of {some(step.total, 'example')}{left}"
        case "reasoned":
            return f"reasoned: {_shortened(step.text)}" if step.text else "the model's window has no room for reasoning"
        case "cut":
            offer = f"; --chain {step.text} reads all" if step.text else ""
            of = f"only {step.done} of {some(step.total, 'passage')}"
            return f"{of} fit the model's window" + (offer or ", the others are cut short")
        case "reading":
            return f"reading {of}"
        case "read":
            return f"read {of}"
        case "drafted":
            return f"draft {of}"
        case "joined":
            return f"joined {step.done} of {some(step.total, 'note')}"
        case "scored":
            return f"[{step.n}] scored {step.text} ({of})"
        case "best":
            return f"answering from the best of {step.total}: [{step.text}]"
        case "lost":
            return f"one reply could not be used: {step.text}"
        case "kept":
            return f"kept the earlier draft: {_KEPT.get(step.text, step.text)}"
        case "enough":
            return f"the last passages added nothing; stopped after {of}"
        case "quoted":
            language = "Chinese" if step.text == "zh" else "English"
            own = "this model quotes the documents in their own language"
            return f"{own}; a language model would write in {language}"
        case "verified":
            where = "its page" if step.total == 1 else "their pages"
            quotes = f"{step.done} of {some(step.total, 'quote')} found word for word on {where}"
            return quotes + (f", {step.text} nearly" if step.text else "")


_BEGIN = ("[", "·")  # a line of the list of quotes, a step
_OURS = re.compile(r"(?<=\n)(?=[\[·])")


class Screen:
    """Shows the events of one answer as they come: its text on `out`, steps on `err`."""

    def __init__(self, out: TextIO | None, err: TextIO) -> None:
        self._out = out  # None: only the steps
        self._err = err
        self._open_line = False
        self._said = ""  # of the answer, as it came
        self._offer = ""  # the chain that would read what did not fit

    def show(self, event: Event) -> None:
        if isinstance(event, Step):
            self._offer = event.text if event.name == "cut" else self._offer
            self.end_line()
            self._err.write(f"· {step_text(event)}\n")
            self._err.flush()
        elif isinstance(event, Token) and event.text and self._out is not None:  # "" only says that it is at work
            self._out.write(self._inset(event.text))
            self._out.flush()
            self._said += event.text
            self._open_line = not event.text.endswith("\n")

    def _inset(self, text: str) -> str:
        """What can be shown of it; what begins a line as the program's own lines do is set in, so that it is none."""
        shown = _OURS.sub("  ", visible(text))
        return f"  {shown}" if not self._open_line and shown.startswith(_BEGIN) else shown

    def end_line(self) -> None:
        if self._open_line and self._out is not None:
            self._out.write("\n")
            self._out.flush()
            self._open_line = False

    def finish(self, answer: Answer, typed: Sequence[str] = ()) -> None:
        """What stands under the text: where it comes from, what is missing. `typed`: the command line that asked."""
        out = self._out
        if out is None:
            return
        thought, _ = parted(self._said)
        if answer.text and (thought or not self._said):
            self.end_line()
            if thought:
                self._err.write("· what stands before </think> was reasoning, and no part of the answer, which is:\n")
            out.write(self._inset(answer.text))
            self._open_line = True
        self.end_line()
        for line in _below(answer, out.isatty()):
            out.write(line)
            out.write("\n")
        out.flush()
        self._err.write(f"· {took_text(answer)}\n")
        if answer.error:
            self._err.write(f"pagewise: {answer.error}\n")
        elif answer.stopped:
            self._err.write("Stopped; this is what had come.\n")
        elif self._offer and typed:
            self._err.write(f"To read all passages: {with_chain(typed, self._offer)}\n")


def with_chain(typed: Sequence[str], chain: str) -> str:
    """The command that was typed, to be copied, with another chain."""
    kept: list[str] = []
    words = iter(typed)
    for word in words:
        if word == "--chain":
            next(words, None)
        elif not word.startswith("--chain="):
            kept.append(word)
        if word == "--":
            break
    at = kept.index("--") if "--" in kept else len(kept)
    return shlex.join(["pagewise", *kept[:at], "--chain", chain, *kept[at:], *words])


def _below(answer: Answer, terminal: bool) -> Iterator[str]:
    yield from notes_lines(answer)
    yield from figures_line(answer)
    yield from unsourced_lines(answer)
    if answer.dropped:
        were = "was" if answer.dropped == 1 else "were"
        yield f"{some(answer.dropped, 'mark')} led to no source and {were} taken out"
    if answer.citations:
        yield ""
    yield from citation_lines(answer, terminal)
    if answer.refused:
        yield ""
        yield from closest_lines(answer)


def closest_lines(answer: Answer) -> Iterator[str]:
    """Of a refusal the passages that came nearest, for a person the first three."""
    none = "No passage of the documents, pages and years asked about fits."
    yield "The closest passages:" if answer.sources else none
    for source in answer.sources[:3]:
        yield from passage_lines(source.passage)


def notes_lines(answer: Answer) -> Iterator[str]:
    """What is odd about the reply as a whole."""
    if answer.cut:
        yield "The reply was cut: it reached the longest that it may be"
    if answer.foreign:
        yield f"The answer is in {LANGUAGES[answer.foreign]}, which was not asked for"


def figures_line(answer: Answer) -> Iterator[str]:
    """Where the answer's figures come from, on one line; none for an answer without figures."""
    if answer.figures:
        formulas, unsupported = answer.computed, answer.unsupported
        line = f"{answer.found} of {some(len(answer.figures), 'figure')} found on the cited pages"
        line += f"; {len(formulas)} computed ({', '.join(dict.fromkeys(formulas))})" if formulas else ""
        line += f"; not found: {', '.join(unsupported)}" if unsupported else ""
        yield line


def unsourced_lines(answer: Answer) -> Iterator[str]:
    """The sentences that state something without a source."""
    if answer.unsourced:
        n = len(answer.unsourced)
        yield f"{some(n, 'sentence')} {'has' if n == 1 else 'have'} no source:"
        yield from (f"- {one_line(answer.text[start:end])}" for start, end in answer.unsourced)


def citation_lines(answer: Answer, terminal: bool = False) -> Iterator[str]:
    """Each quote once, with its page; on a terminal the words that answer are bold."""
    said = set()
    for citation in answer.citations:
        where = f"[{citation.n}] {citation.name}, {pages_text(citation.page, citation.page_label, citation.pages[-1])}"
        quote = one_line(citation.quote)
        how = {"exact": "", "near": " (not word for word)", "none": "no words of this page were found in the answer"}
        begin = where + (": “" if quote else ": ")
        line = begin + (f"{quote}”" if quote else "") + how[citation.match]
        if terminal and (found := find(citation.span, quote)):
            line = with_bold(line, len(begin) + found[0], len(begin) + found[1])
        if line not in said:
            said.add(line)
            yield line


def _shortened(text: str) -> str:
    """Some models think for pages."""
    line = one_line(text)
    if len(line) <= _THOUGHT:
        return line
    return f"{line[:_THOUGHT]}… ({len(line) - _THOUGHT:,} more characters; --json has them)"


def page_text(number: int, label: str) -> str:
    return f"page {number}" if label in ("", str(number)) else f"page {number} ({label})"


def pages_text(first: int, label: str, last: int) -> str:
    """Of something that may go on over the page's end; `label` is the first one's."""
    return page_text(first, label) + (f"–{last}" if last != first else "")


def passage_lines(passage: Passage, n: int | None = None) -> Iterator[str]:
    """A passage for a person: whose it is, then its text on one line, cut at about three lines' length."""
    pages = pages_text(passage.page, passage.page_label, passage.last_page)
    yield f"{'-' if n is None else f'{n}.'} {passage.name}, {pages}"
    text = one_line(passage.text)
    yield "   " + (text if len(text) <= 240 else text[:239] + "…")


def list_lines(records: Sequence[Record]) -> Iterator[str]:
    if not records:
        yield "The library is empty. Add PDFs: pagewise ingest FILE_OR_FOLDER"
        return
    width = max(_width(record.name) for record in records)
    for record in records:
        holds = f"{some(record.pages, 'page')}{_ailing(record)}, {some(record.chunks, 'passage')}"
        gap = " " * (width - _width(record.name))
        yield f"{record.id[:8]}  {record.name}{gap}  {holds}, added {record.added:%Y-%m-%d}"


def _width(text: str) -> int:
    """Columns on a terminal, where a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


_STATES = {"no text": "without text", "garbled": "garbled", "ocr": "by text recognition", "duplicate": "twice"}


def _ailing(record: Record) -> str:
    """ ", 2 without text, 1 garbled"; "" where all pages gave text of their own."""
    return "".join(
        f", {count} {_STATES[health]}" for health, count in record.health.items() if health != "text" and count
    )


def health_lines(record: Record, pages: Sequence[Page]) -> Iterator[str]:
    """What became of the document as a whole, then a line for every page that is not simply text."""
    yield f"{record.name}: {some(record.pages, 'page')}{_ailing(record)}"
    for page in pages:
        if page.health != "text" or page.problem:
            same = f"the same text as page {page.duplicate_of}" if page.duplicate_of else ""
            about = ", ".join(part for part in (page.problem, same) if part)
            yield f"- {page_text(page.number, page.label)}: {page.health}" + (f" ({about})" if about else "")
