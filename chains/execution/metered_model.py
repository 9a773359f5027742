"""A model that is counted: calls, tokens, and a bound and caps that are never exceeded. No text is counted twice."""

import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from chains.errors import CapReached, ModelFailed, ModelUnreachable
from chains.execution import context_budget
from chains.execution.limits import Ledger
from chains.execution.llm_calls import closed
from chains.execution.resume import Memory
from chains.execution.throughput import Speeds
from chains.grounding.citations import plain
from chains.model import Finish, Model, Piece, Thought, Usage
from chains.plan import Stage, total
from chains.prompt import Prompt, bare
from chains.prompting.render import material
from ingest.store.reply_cache import Kept

_END = 60  # characters by which the end of a reply is known again
READING = ("map", "score")  # roles whose replies are of no use without a call that follows


class Meter:
    """A Model around a model, for one question.

    A reply that the memory has comes at once and is no call. Nothing is begun that a cap leaves no room for; of a call
    that reads, only where there is room for what has to follow, so that what was read becomes an answer.
    """

    def __init__(self, model: Model, ledger: Ledger | None = None, speeds: Speeds | None = None) -> None:
        self._model = model
        self._ledger = ledger or Ledger(model.name)
        self._speeds = speeds
        self._lock = threading.Lock()
        self._counts: dict[Prompt, int] = {}
        self._sizes: dict[str, int] = {}
        self._reading = 0  # calls that read a source, begun or kept
        self.memory: Memory | None = None
        self.closing: Callable[[int], Sequence[Stage]] = lambda read: ()  # what follows when so many were read
        self.bound = 0  # calls that may still be begun are bound - calls
        self.calls = 0  # begun; those that nobody took are among them
        self._unheard = 0
        self.read: set[int] = set()  # the sources that a call has read which has ended, or is kept
        self.kept = 0  # replies that were there already
        self.usage = Usage()
        self.capped: CapReached | None = None
        self._cut: list[str] = []  # replies that ended at the longest that they may be

    @property
    def taken(self) -> int:
        """The calls that somebody took: those begun, but for the ones that found no server."""
        return self.calls - self._unheard

    def was_cut(self, text: str) -> bool:
        """Whether the text, of an answer, ends where a reply was cut."""
        end = plain(text).rstrip()[-_END:]
        return any(end and plain(reply).rstrip().endswith(end) for reply in self._cut)

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context(self) -> int:
        return self._model.context

    @property
    def parallel(self) -> int:
        return self._model.parallel

    def count(self, prompt: Prompt) -> int:
        found = self._counts.get(prompt)
        if found is None:
            found = self._counts[prompt] = self._model.count(prompt)
        return found

    def size(self, *texts: str) -> int:
        if len(texts) > 1 and self._ledger.caps:  # each will have to be known, before its call
            return sum(map(self.size, texts))
        known = [self._sizes.get(text) for text in texts]
        new = [text for text, size in zip(texts, known, strict=True) if size is None]
        counted = self._model.size(*new) if new else 0
        if len(texts) == len(new) == 1:
            self._sizes[texts[0]] = counted
        return counted + sum(size for size in known if size is not None)

    def at_most(self, text: str) -> int:
        found = self._sizes.get(text)
        return self._model.at_most(text) if found is None else found

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        known = self.memory.get(prompt) if self.memory is not None else None
        if known is not None:
            with self._lock:
                self.kept += 1
                self._reading += prompt.role in READING
                self.read |= {source.n for source in prompt.sources}
            if known.cut:
                self._cut.append(known.text)
            yield known.text
            yield Finish("length" if known.cut else "stop", Usage(), known.tokens)
            return
        need = self._begin(prompt)
        used: Usage | None = None
        began, first = monotonic(), 0.0
        pieces: list[str] = []
        thought: list[str] = []
        try:
            with closed(self._model.stream(prompt)) as stream:
                for piece in stream:
                    if isinstance(piece, Finish):
                        used = piece.usage
                        self._finished(prompt, "".join(pieces), piece, began, first)
                    else:
                        came, into = (piece.text, thought) if isinstance(piece, Thought) else (piece, pieces)
                        into.append(came)
                        first = first or (monotonic() if came else 0.0)
                    yield piece
        except ModelUnreachable:
            with self._lock:
                self._unheard += 1
            raise
        finally:
            all_came = "".join((*thought, *pieces))
            took = used or (self._roughly(prompt, all_came) if all_came else Usage())
            self._ledger.end(need, took)
            with self._lock:
                self.usage += took
                self.read |= {source.n for source in prompt.sources} if used is not None else set()

    def _roughly(self, prompt: Prompt, came: str) -> Usage:
        """A call that was broken off in its reply: what was counted of its prompt, and a guess at the rest.

        One of which nothing came was refused, and is not billed.
        """
        pieces = material(prompt)
        read = self._counts.get(bare(prompt), 0) + sum(self._sizes.get(p) or len(p) // 4 for p in pieces)
        return Usage(read, -(-len(came) // 4))

    def _begin(self, prompt: Prompt) -> Usage:
        """What the call takes at most. Raises CapReached, and ModelFailed for one that was not announced."""
        with self._lock:
            if self.calls >= self.bound:
                raise ModelFailed(model=self.name, detail=f"more than the {self.bound} calls that were announced")
            self.calls += 1
            self._reading += prompt.role in READING
            read = self._reading
        need = Usage()
        try:
            if self._ledger.caps:
                need = Usage(context_budget.total(prompt, self), prompt.max_tokens)
                later = self.closing(read) if prompt.role in READING else ()
                speed = self._speeds.of(self.name) if self._speeds else None
                seconds = speed.seconds(later, self.parallel) if speed else 0.0
                self._ledger.begin(need, sum(stage.calls for stage in later), total(later), seconds)
        except CapReached as error:
            with self._lock:
                self.calls -= 1
                self._reading -= prompt.role in READING
                self.capped = error
            raise
        return need

    def _finished(self, prompt: Prompt, text: str, finish: Finish, began: float, first: float) -> None:
        if finish.reason == "length":
            self._cut.append(text)
        if self._speeds is not None and first:
            used = finish.usage
            waited = max(0.0, first - began - finish.loading)
            self._speeds.add(self.name, used.input_tokens, waited, used.output_tokens, monotonic() - first)
            self._speeds.loaded(self.name, finish.loading)
        if self.memory is not None:
            kept = Kept(text, finish.reason == "length", finish.written, finish.usage.input_tokens)
            self.memory.put(prompt, kept)
