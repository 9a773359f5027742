"""Prompts → replies, by transformers' `generate`: one alone, or several in one call. Knows nothing of loading."""

import threading
from collections.abc import Sequence
from typing import Any

from chains.model import Finish, Thought, Usage
from chains.models.stream_pump import Put
from chains.thinking import Thoughts

_LOOKUP = 10  # tokens guessed at once from the prompt: answers copy from their sources
_GREEDY: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}


class Row:
    """One prompt and its reply as it grows. `inside`: its template makes it begin in the middle of a thought."""

    def __init__(
        self, tokens: Sequence[int], max_tokens: int, inside: bool, put: Put, stopped: threading.Event
    ) -> None:
        self.tokens, self.max_tokens, self.stopped = tokens, max_tokens, stopped
        self.done = threading.Event()  # nothing more will be put
        self.error: Exception | None = None
        self.made = 0  # tokens of the reply so far
        self.loading = 0.0  # seconds for which it waited for the weights
        self._put, self._thoughts = put, Thoughts(inside)
        self._blank = True

    @property
    def only_thoughts(self) -> bool:
        """Whether there was nothing but thinking in it."""
        return self._blank and self._thoughts.seen and bool(self._thoughts.text.strip())

    def show(self, text: str) -> None:
        shown = self._thoughts.feed(text)
        self._blank = self._blank and not shown.strip()
        self._put(shown)
        self._think()

    def finish(self, ended: bool) -> None:
        """`ended`: the model ended it, not the limit."""
        if not self.stopped.is_set():
            if rest := self._thoughts.close():
                self._blank = self._blank and not rest.strip()
                self._put(rest)
            self._think()
            used = Usage(len(self.tokens), self.made)
            self._put(Finish("stop" if ended else "length", used, loading=self.loading))
        self.done.set()

    def _think(self) -> None:
        if new := self._thoughts.news():
            self._put(Thought(new))

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done.set()


def ends_of(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a reply."""
    said = model.generation_config.eos_token_id
    found = said if isinstance(said, list) else [said, tokenizer.eos_token_id]
    return list(dict.fromkeys(token for token in found if token is not None))


def alone(model: Any, tokenizer: Any, row: Row, lookup: bool) -> None:
    """One reply. `lookup`: with guesses from the prompt, which some models refuse with ValueError at once."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Stopped(StoppingCriteria):  # type: ignore[misc,unused-ignore]
        """After the token during which the reader left."""

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            return torch.full((input_ids.shape[0],), row.stopped.is_set(), dtype=torch.bool, device=input_ids.device)

    ids, ends = torch.tensor([list(row.tokens)], device=model.device), ends_of(model, tokenizer)
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=row.max_tokens,
            pad_token_id=ends[0] if ends else 0,
            eos_token_id=ends or None,
            prompt_lookup_num_tokens=_LOOKUP if lookup else None,
            streamer=_streamer(tokenizer, row, skip_prompt=True),
            stopping_criteria=StoppingCriteriaList([Stopped()]),
            **_GREEDY,
        )
    row.made = out.shape[1] - len(row.tokens)
    row.finish(row.made < row.max_tokens or int(out[0, -1]) in ends)


def together(model: Any, tokenizer: Any, rows: Sequence[Row]) -> None:
    """Each gets the reply that it would get alone, ends by itself at its own end, limit or stop, and streams."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    ends = ends_of(model, tokenizer)
    streamers = [_streamer(tokenizer, row) for row in rows]

    class Each(StoppingCriteria):  # type: ignore[misc,unused-ignore]
        """Gives each row its token and says which rows are over; those get no more."""

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            for row, streamer, token in zip(rows, streamers, input_ids[:, -1].tolist(), strict=True):
                if row.done.is_set():
                    continue
                row.made += 1
                streamer.put(torch.tensor([token]))
                ended = token in ends
                if ended or row.made >= row.max_tokens or row.stopped.is_set():
                    streamer.end()
                    row.finish(ended)
            return torch.tensor([row.done.is_set() for row in rows], device=input_ids.device)

    # On the left, so that every prompt ends where its reply begins; the mask keeps what fills out of sight.
    longest, fill = max(len(row.tokens) for row in rows), ends[0] if ends else 0
    ids = torch.tensor([[fill] * (longest - len(row.tokens)) + list(row.tokens) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row.tokens)) + [1] * len(row.tokens) for row in rows])
    with torch.inference_mode():
        model.generate(
            ids,
            attention_mask=mask.to(model.device),
            max_new_tokens=max(row.max_tokens for row in rows),
            pad_token_id=fill,
            eos_token_id=ends or None,
            stopping_criteria=StoppingCriteriaList([Each()]),
            **_GREEDY,
        )
    for row, streamer in zip(rows, streamers, strict=True):
        if not row.done.is_set():  # a limit that the model's own configuration sets
            streamer.end()
            row.finish(False)


def _streamer(tokenizer: Any, row: Row, skip_prompt: bool = False) -> Any:
    from transformers import TextStreamer

    class Words(TextStreamer):  # type: ignore[misc,unused-ignore]
        """Whole words, as they are decided."""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            row.show(text)

    return Words(tokenizer, skip_prompt=skip_prompt, skip_special_tokens=True)
