"""What fits a model's window, by the model's own count. Pure: it asks the model to count and nothing else.

A prompt fits when its tokens and those of its longest reply together are no more than the model's context. What there
is to read is counted piece by piece, so that no text is counted again because it stands in another prompt: the prompt
without it is counted whole, its template included, and SEAM is added for each piece. Where the bytes alone prove that
all fits, nothing is counted; and nothing that a model wrote, where it said itself how long that is.

Which window some work needs: the smallest with which it fits, found by trying others. No call is made for that.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from chains.errors import ContextTooSmall
from chains.model import Model, Piece
from chains.plan import Stage
from chains.prompt import Prompt, Source, Written, bare
from chains.prompting.render import material
from ingest.document import Span
from ingest.text.sentences import sentences

# Tokens that a piece can have beyond its own, standing among others: the empty line before it (2 bytes, so 2 tokens at
# most), and what a tokenizer cuts differently where two texts meet. Tokenizers that first cut at words and line ends
# (GPT, Llama 3, Qwen, WordPiece), and those that give a line end a token of its own (Llama 2, Gemma), cut at most the
# ">", the line ends and the "<" there otherwise. Measured over five kinds of tokenizers: 2 at most.
SEAM = 6
_JOINT = 2  # bytes between two pieces
_DENSEST = 8  # characters a token, where English has 4 to 5: nothing that is written has more


def reply_tokens(wanted: int, model: Model) -> int:
    """How long a reply may be: as long as wanted, but never more than a quarter of the window."""
    return max(1, min(wanted, model.context // 4))


def fits(prompt: Prompt, model: Model, reserve: int = 0) -> bool:
    """Whether the prompt and its reply fit, with `reserve` tokens to spare."""
    return fitting(prompt, model, reserve) == len(material(prompt))


def total(prompt: Prompt, model: Model) -> int:
    """Tokens of the prompt, at most."""
    pieces = material(prompt)
    return model.count(bare(prompt)) + sum(_size(piece, model) + SEAM for piece in pieces)


def together(several: Sequence[Prompt], model: Model) -> int:
    """Tokens of all these prompts, at most: what there is to read in them is counted at once."""
    instructions = sum(model.count(bare(prompt)) for prompt in several)
    pieces = [piece for prompt in several for piece in material(prompt)]
    return instructions + (model.size(*pieces) if pieces else 0) + SEAM * len(pieces)


def plan_stage(prompts: Iterable[Prompt], model: Model) -> Stage:
    """The stage that these prompts make. They are counted here; a Meter counts no text twice."""
    chosen = list(prompts)
    room = sum(max(0, model.context - p.max_tokens) for p in chosen)  # each is made to fit
    return Stage(len(chosen), min(together(chosen, model), room), sum(p.max_tokens for p in chosen))


def longest(several: Sequence[Prompt], model: Model) -> int:
    """Tokens of the longest of these prompts, at most. Nothing that there is to read is counted for that."""
    sizes = [sum(model.at_most(piece) + SEAM for piece in material(prompt)) for prompt in several]
    return max((model.count(bare(prompt)) + size for prompt, size in zip(several, sizes, strict=True)), default=0)


def within(prompt: Prompt, most: int, model: Model) -> bool:
    """Whether the prompt has at most so many tokens. Nothing is counted where its bytes prove it."""
    pieces = material(prompt)
    return _first(pieces, most - model.count(bare(prompt)), model) == len(pieces)


def room(prompt: Prompt, model: Model, reserve: int = 0) -> int:
    """Tokens left beside the prompt and its reply. Raises ContextTooSmall when there are none."""
    free = model.context - prompt.max_tokens - reserve - total(prompt, model)
    if free <= 0:
        raise ContextTooSmall(model=model.name, context=model.context, needed=model.context - free + 1)
    return free


def size(source: Source, model: Model) -> int:
    """Tokens that the source takes in a prompt, at most."""
    return model.size(_piece(source)) + SEAM


def fitting(prompt: Prompt, model: Model, reserve: int = 0) -> int:
    """With how many of its sources or notes, from the first on, the prompt and its reply fit."""
    return _first(material(prompt), _free(prompt, model, reserve), model)


def _first(pieces: Sequence[str], free: int, model: Model) -> int:
    """How many of the pieces, from the first on, take at most `free` tokens."""
    if free < 0:
        return -1
    if sum(model.at_most(piece) + _JOINT for piece in pieces) <= free:
        return len(pieces)
    for k, piece in enumerate(pieces):
        free -= _size(piece, model) + SEAM
        if free < 0:
            return k
    return len(pieces)


def _size(piece: str, model: Model) -> int:
    """Tokens of a piece by itself, at most: exact, but for what a model wrote."""
    if isinstance(piece, Written):
        return piece.tokens + model.size(piece.frame) + SEAM
    return model.size(piece)


def written(text: str, tokens: int) -> str:
    """What a model wrote, with its own count, where that can be true: a broken character is several to read."""
    return Written(text, tokens) if len(text) <= tokens * _DENSEST and "\ufffd" not in text else text


def most(n: int, build: Callable[[int], Prompt], model: Model, reserve: int = 0) -> int:
    """The most things, up to n, with which `build(things)` still fits; 0 where not even one does."""
    low, high = 0, 1
    while high <= n and fits(build(high), model, reserve):
        low, high = high, 2 * high
    return _largest(lambda k: fits(build(k), model, reserve), low, min(high, n + 1))


def fit(
    build: Callable[[Sequence[Source]], Prompt], sources: Sequence[Source], model: Model, reserve: int = 0
) -> tuple[Source, ...]:
    """The first sources with which the prompt fits: at least one, shortened where it does not fit whole.

    Raises ContextTooSmall when not even the first words of one source do.
    """
    if not sources:
        return ()
    free = room(build(()), model, reserve)
    k = _first([_piece(source) for source in sources], free, model)
    return tuple(sources[:k]) or (_shortened(build, sources[0], free, model, reserve),)


def spread(sources: Sequence[Source], k: int) -> tuple[Source, ...]:
    """k of the sources, evenly from first to last, in order."""
    n = len(sources)
    if k >= n:
        return tuple(sources)
    if k == 1:
        return (sources[0],)
    return tuple(sources[round(i * (n - 1) / (k - 1))] for i in range(k))


def shorten(text: str, most: int, model: Model) -> str:
    """The longest beginning of `text` of at most `most` tokens that ends with a sentence; with a word where none does.

    "" where there is none. No more is looked at than could fit, and each part of that is counted about once.
    """
    reach = min(len(text), max(0, most) * _DENSEST)
    if reach == len(text) and model.size(text) <= most:
        return str(text)
    ends = [end for _, end in sentences(text[:reach]) if end < reach or reach == len(text)]
    cut = _cut(text, ends, most, model)
    if cut:
        return text[:cut].rstrip()
    short = text[: _cut(text, range(1, (ends[0] if ends else reach) + 1), most, model)].rstrip()
    if re.match(r"[A-Za-z0-9]", text[len(short) : len(short) + 1]) and (space := re.search(r"\s+\S*$", short)):
        short = short[: space.start()]
        return short if model.size(short) <= most else ""
    return short


def with_text(source: Source, text: str) -> Source:
    """The source with only the beginning `text` of its text; number, place and pages stay true."""
    if text == source.text:
        return source
    chunk, size = source.passage.chunk, len(text)
    spans = (
        tuple(Span(s.page, s.label, s.start, min(s.end, size)) for s in chunk.spans if s.start < size)
        or chunk.spans[:1]
    )
    return Source(
        source.n, replace(source.passage, chunk=replace(chunk, text=text, end=chunk.start + size, spans=spans))
    )


def _free(prompt: Prompt, model: Model, reserve: int) -> int:
    """Tokens for what there is to read; below 0 where there are none."""
    return model.context - prompt.max_tokens - reserve - model.count(bare(prompt))


def _piece(source: Source) -> str:
    return material(Prompt("answer", "question", "", "en", 1, sources=(source,)))[0]


def _shortened(
    build: Callable[[Sequence[Source]], Prompt], source: Source, free: int, model: Model, reserve: int
) -> Source:
    """Its beginning, so that the prompt fits. Text grows a little between its tags, so what comes out is counted."""
    most = free - model.size(_piece(with_text(source, ""))) - SEAM
    while most > 0:
        short = with_text(source, shorten(source.text, most, model))
        if not short.text:
            break
        beyond = model.size(_piece(short)) + SEAM - free
        if beyond <= 0:
            return short
        most -= beyond
    needed = model.count(build((source,))) + build(()).max_tokens + reserve
    if needed > model.context:
        raise ContextTooSmall(model=model.name, context=model.context, needed=needed)
    return source  # by a hair, counted whole


def _cut(text: str, ends: Sequence[int], most: int, model: Model) -> int:
    """The largest of `ends` up to which the text has at most so many tokens; 0 for none."""
    low, high, at = 0, len(ends), 0
    while low < high:
        middle = (low + high + 1) // 2
        size = model.size(text[at : ends[middle - 1]]) + (SEAM if at else 0)
        if size > most:
            high = middle - 1
        else:
            low, at, most = middle, ends[middle - 1], most - size
    return at


def _largest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest k in [low, high) for which it holds, taking it to hold at `low` and to stop holding once."""
    while high - low > 1:
        k = (low + high) // 2
        if holds(k):
            low = k
        else:
            high = k
    return low


T = TypeVar("T")

_FIRST = 64  # tokens; no prompt is shorter
_LARGEST = 1 << 24  # no model has a larger window


class Within:
    """A Model that counts as `model` does and has another window. It is for planning, and cannot be asked."""

    def __init__(self, model: Model, context: int) -> None:
        self.name, self.parallel, self.context = model.name, model.parallel, context
        self.count, self.size, self.at_most = model.count, model.size, model.at_most

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        raise ContextTooSmall(model=self.name, context=self.context, needed=self.context + 1)


def fitted(work: Callable[[Model], T], model: Model) -> T:
    """What `work`, which makes no call, makes of the model; its ContextTooSmall names the least window that does.

    That is not what the first prompt that did not fit is short of: replies and notes grow with the window.
    """
    try:
        return work(model)
    except ContextTooSmall:
        needed = least(work, model)
    raise ContextTooSmall(model=model.name, context=model.context, needed=needed)


def least(work: Callable[[Model], object], model: Model) -> int:
    """The smallest window (tokens) above the model's with which `work` raises no ContextTooSmall."""
    found = _above(0, work, model)
    return found if found > model.context else _above(model.context, work, model)


def _above(low: int, work: Callable[[Model], object], model: Model) -> int:
    high = max(_FIRST, 2 * low)
    while high < _LARGEST and not _works(work, Within(model, high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _works(work, Within(model, middle)):
            high = middle
        else:
            low = middle
    return high


def _works(work: Callable[[Model], object], model: Model) -> bool:
    try:
        work(model)
    except ContextTooSmall:
        return False
    return True
