"""A language model in this process, by transformers. Calls that come at the same time are answered together."""

import threading
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from chains.errors import ChatTemplateError, ContextTooSmall, ModelFailed, OnlyThoughts
from chains.model import Piece
from chains.models.error_mapping import one_line
from chains.models.local.batcher import Batches
from chains.models.local.chat_template import TemplateLimitError, TemplateRefusedError, render_chat_template
from chains.models.local.generate import Row, alone, together
from chains.models.local.hardware import free_memory, out_of_memory
from chains.models.local.loader import Loader
from chains.models.local.quantization import Bits
from chains.models.stream_pump import Put, pump
from chains.models.token_bound import bound
from chains.prompt import Prompt
from chains.prompting.render import render

TOGETHER = 8  # prompts in one batch, where their memory allows; DECISIONS.md has the measurement
_SANE = 10_000_000  # tokens; a tokenizer without a limit says 10^30
_FILLING = 1.5  # a batch is at most so many times as large as what is in it: the rest fills the shorter prompts
_SHARE = 0.5  # of the memory that is free
_LARGE = 2_000_000  # bytes a token, where a model does not say: those of 70 billion weights take less


class Local:
    """The model in a folder or, by its id, from the hub (its cache first). Loaded once, when first needed."""

    def __init__(self, place: str, context: int = 0, parallel: int = 0, bits: Bits = "auto", lora: str = "") -> None:
        """`context`: tokens, 0 for the model's own. `parallel`: prompts in one batch, 0 for TOGETHER.

        `bits` of a weight; `lora`: an adapter's folder, "" for none. Raises UnknownModel where `place` is no folder
        and no hub id, AdapterUnfit.
        """
        self.name = f"local:{place}"
        self.parallel = parallel or TOGETHER
        self._loader = Loader(self.name, place, bits, lora)
        self._setting = context
        self._opening = threading.Lock()
        self._tokenizer: Any = None
        self._config: Any = None
        self._model: Any = None
        self._lookup = True  # until the model turns out to be of a kind that cannot
        self._batches = Batches(self._run, self._together, self.parallel)

    def __repr__(self) -> str:
        return f"Local({self.name!r})"

    @property
    def context(self) -> int:
        self._open()
        limits = [
            getattr(self._config.get_text_config(), "max_position_embeddings", None),
            self._tokenizer.model_max_length,
            self._setting,
        ]
        return min((int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < _SANE), default=2048)

    def count(self, prompt: Prompt) -> int:
        """Exactly the tokens that the model gets."""
        return len(self._tokens(prompt)[0])

    def size(self, *texts: str) -> int:
        self._open()
        return sum(len(self._tokenizer(self._harmless(text), add_special_tokens=False)["input_ids"]) for text in texts)

    def at_most(self, text: str) -> int:
        self._open()
        return bound(self._harmless(text))

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        """See Model.stream. While the model reads its prompt, empty pieces come, so that it can be closed."""
        tokens, inside = self._tokens(prompt)
        needed = len(tokens) + prompt.max_tokens
        if needed > self.context:
            raise ContextTooSmall(model=self.name, context=self.context, needed=needed)

        def work(put: Put, stopped: threading.Event) -> None:
            row = Row(tokens, prompt.max_tokens, inside, put, stopped)
            self._batches.submit(row)
            while not row.done.wait(0.1):
                if stopped.is_set():  # the batch goes on for the others; this row ends with its next token
                    return
            if row.error is not None:
                raise self._loader.failed(row.error) from row.error
            if row.only_thoughts and not stopped.is_set():
                raise OnlyThoughts(model=self.name, tokens=row.made)

        yield from pump(work)

    def _tokens(self, prompt: Prompt) -> tuple[list[int], bool]:
        """What the model gets, and whether its template makes it begin in the middle of a thought."""
        self._open()
        rendered = render(prompt)
        system, user = self._harmless(rendered.system), self._harmless(rendered.user)
        text = self._templated(system, user)
        plain = text is None
        text = f"{system}\n\n{user}\n" if text is None else text
        tokens = self._tokenizer(text, add_special_tokens=plain)["input_ids"]  # a template writes its own
        return list(tokens), text.rstrip().endswith("<think>")

    def _templated(self, system: str, user: str) -> str | None:
        """By the model's chat template; None where it has none. Raises ChatTemplateError, ModelFailed."""
        if not self._tokenizer.chat_template:
            return None
        try:
            template = str(self._tokenizer.get_chat_template())
        except ValueError as error:  # it has several, and none for every use
            raise ChatTemplateError(model=self.name, detail=one_line(str(error))) from error
        variables = {**self._tokenizer.special_tokens_map, "enable_thinking": False}
        apart = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        joined = [{"role": "user", "content": f"{system}\n\n{user}"}]
        refusal = ""
        for messages in (apart, joined):  # some templates refuse a system's words
            try:
                return render_chat_template(template, messages, variables)
            except TemplateRefusedError as error:
                refusal = str(error)
            except TemplateLimitError as error:
                raise ChatTemplateError(model=self.name, detail=one_line(str(error))) from error
        raise ModelFailed(model=self.name, detail=one_line(f"its chat template refuses the prompt: {refusal}"))

    def _harmless(self, text: str) -> str:
        """`text` without the marks that structure a chat: a page that says "<|im_end|>" must not end our words."""
        for mark in self._marks:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        return text

    def _open(self) -> None:
        """The tokenizer and the configuration, which counting needs; the weights come later."""
        with self._opening:
            if self._tokenizer is not None:
                return
            self._config, tokenizer = self._loader.words()
            self._marks = [
                token.content
                for token in tokenizer.added_tokens_decoder.values()
                if token.special or token.content[0] in "<["
            ]
            self._tokenizer = tokenizer

    def _weights(self) -> Any:
        """The model. Called by one thread at a time, that of the batches."""
        if self._model is None:
            self._open()
            self._model = self._loader.weights(self._config)
        return self._model

    def _run(self, rows: Sequence[Row]) -> None:
        """One batch; what goes wrong goes to its rows."""
        rows = [row for row in rows if not row.stopped.is_set()]
        try:
            if rows and self._model is None:
                began = monotonic()
                self._weights()
                for row in rows:
                    row.loading = monotonic() - began
            if len(rows) > 1 and not getattr(self._weights(), "_is_stateful", False):
                together(self._weights(), self._tokenizer, rows)
            else:  # a model whose memory is one state for all tokens would take what fills a row into it
                for row in rows:
                    self._alone(row)
        except Exception as error:
            left = [row for row in rows if not row.done.is_set()]
            if out_of_memory(error) and len(rows) > 1 and not any(row.made for row in left):
                for row in left:
                    self._run([row])
                return
            for row in left:
                row.fail(error)

    def _alone(self, row: Row) -> None:
        model = self._weights()
        try:
            alone(model, self._tokenizer, row, self._lookup)
        except ValueError:  # said before the first word by models whose memory cannot be turned back
            if not self._lookup:
                raise
            self._lookup = False
            alone(model, self._tokenizer, row, False)

    def _together(self, rows: Sequence[Row]) -> bool:
        """Whether these can be one batch: what fills it is little, it keeps to the window, and its memory is there."""
        prompt, reply = max(len(row.tokens) for row in rows), max(row.max_tokens for row in rows)
        if prompt * len(rows) > _FILLING * sum(len(row.tokens) for row in rows) or prompt + reply > self.context:
            return False
        free = free_memory(getattr(getattr(self._model, "device", None), "type", "cpu") == "cuda")
        return not free or len(rows) * (prompt + reply) * _bytes_a_token(self._config.get_text_config()) < _SHARE * free


def _bytes_a_token(config: Any) -> int:
    """What a token takes while a reply is made: its keys and values in all layers, and what one layer computes.

    In four bytes a number, which is never too little.
    """
    try:
        heads = config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        kept = 2 * config.num_hidden_layers * (getattr(config, "num_key_value_heads", None) or heads) * size
        return 4 * int(kept + 4 * (getattr(config, "intermediate_size", None) or 4 * config.hidden_size))
    except (AttributeError, TypeError, ZeroDivisionError):  # a model that says it otherwise
        return _LARGE
