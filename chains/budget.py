"""What fits a model's window, by the model's own count. Pure: it asks the model to count and nothing else.

A prompt fits when its tokens and those of its longest reply together are no more than the model's context.
Counting may cost a call to a server, so guesses come from the bytes and only the guesses are counted.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from chains.errors import ContextTooSmall
from chains.models.base import Model
from chains.prompts import Prompt, Source
from ingest.document import Span
from ingest.sentences import sentences

# UTF-8 bytes a token, to guess with before anything was counted: about 4 in English, 2 to 3 in Chinese.
BYTES_A_TOKEN = 4.0


def reply_tokens(wanted: int, model: Model) -> int:
    """How long a reply may be: as long as wanted, but never more than a quarter of the window."""
    return max(1, min(wanted, model.context // 4))


def fits(prompt: Prompt, model: Model, reserve: int = 0) -> bool:
    """Whether the prompt and its reply fit, with `reserve` tokens to spare."""
    return model.count(prompt) + prompt.max_tokens + reserve <= model.context


def room(prompt: Prompt, model: Model, reserve: int = 0) -> int:
    """Tokens left beside the prompt and its reply. Raises ContextTooSmall when there are none."""
    needed = model.count(prompt) + prompt.max_tokens + reserve
    if needed >= model.context:
        raise ContextTooSmall(model=model.name, context=model.context, needed=needed + 1)
    return model.context - needed


def most(n: int, build: Callable[[int], Prompt], model: Model, reserve: int = 0) -> int:
    """The most things, up to n, with which `build(things)` still fits; 0 where not even one does.

    What is returned was counted. It can be one short of the true most where the next thing is far cheaper,
    by the token, than those before it.
    """
    if n < 1:
        return 0
    empty = build(0)
    base, free = model.count(empty), model.context - empty.max_tokens - reserve
    low, high = 0, n + 1  # low fits, high does not
    rate, tries = BYTES_A_TOKEN, 0
    while high - low > 1:
        k = _within((free - base) * rate, build, low, high) if tries < 3 else (low + high) // 2
        k = min(max(k, low + 1), high - 1)
        counted = model.count(build(k))
        size, tries = _bytes(build(k)), tries + 1
        if counted > base and size:
            rate = size / (counted - base)
        if counted > free:
            high = k
            continue
        low = k
        if low < n and counted + 0.75 * (_bytes(build(low + 1)) - size) / rate > free:
            break  # the next one will not fit either: saves counting everything once more to be told so
    return low


def fit(
    build: Callable[[Sequence[Source]], Prompt], sources: Sequence[Source], model: Model, reserve: int = 0
) -> tuple[Source, ...]:
    """The first sources with which the prompt fits: at least one, shortened where it does not fit whole.

    Raises ContextTooSmall when not even the first words of one source do.
    """
    if not sources:
        return ()
    room(build(()), model, reserve)
    k = most(len(sources), lambda k: build(sources[:k]), model, reserve)
    if k:
        return tuple(sources[:k])
    first = sources[0]
    text = shorten(first.text, lambda text: fits(build((with_text(first, text),)), model, reserve))
    if not text:
        raise ContextTooSmall(
            model=model.name,
            context=model.context,
            needed=model.count(build((first,))) + build(()).max_tokens + reserve,
        )
    return (with_text(first, text),)


def spread(sources: Sequence[Source], k: int) -> tuple[Source, ...]:
    """k of the sources, evenly from first to last, in order."""
    n = len(sources)
    if k >= n:
        return tuple(sources)
    if k == 1:
        return (sources[0],)
    return tuple(sources[round(i * (n - 1) / (k - 1))] for i in range(k))


def shorten(text: str, fitting: Callable[[str], bool]) -> str:
    """The longest beginning of `text` that fits and ends with a sentence; with a word where none fits; else ""."""
    if fitting(text):
        return text
    ends = [end for _, end in sentences(text)]
    best = _largest(lambda k: fitting(text[: ends[k - 1]].rstrip()), 0, len(ends) + 1)
    if best:
        return text[: ends[best - 1]].rstrip()
    cut = _largest(lambda k: fitting(text[:k].rstrip()), 0, len(text) + 1)
    short = text[:cut].rstrip()
    if re.match(r"[A-Za-z0-9]", text[len(short) : len(short) + 1]) and (space := re.search(r"\s+\S*$", short)):
        whole = short[: space.start()]
        return whole if fitting(whole) else ""
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


def _largest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest k in [low, high) for which it holds, taking it to hold at `low` and to stop holding once."""
    while high - low > 1:
        k = (low + high) // 2
        if holds(k):
            low = k
        else:
            high = k
    return low


def _within(size: float, build: Callable[[int], Prompt], low: int, high: int) -> int:
    return _largest(lambda k: _bytes(build(k)) <= size, low, high)


def _bytes(prompt: Prompt) -> int:
    return sum(len(source.text.encode()) for source in prompt.sources) + sum(
        len(note.encode()) for note in prompt.notes
    )
