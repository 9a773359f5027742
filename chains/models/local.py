"""A language model in this process, by transformers: safetensors only, no code from the model's folder."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chains import prompts
from chains.errors import ContextTooSmall, ModelFailed, UnknownModel
from chains.models.base import Finish, Usage
from chains.models.estimate import bound
from chains.models.hardware import bfloat16_is_faster, out_of_memory
from chains.models.pump import Put, pump
from chains.models.thoughts import Thoughts
from chains.models.trouble import one_line
from chains.prompts import Prompt

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SANE = 10_000_000  # tokens; a tokenizer without a limit says 10^30
_LOOKUP = 10  # tokens guessed at once from the prompt: answers copy from their sources


class Local:
    """The model in a folder or, by its id, from the hub (its cache first). Loaded once, when first needed."""

    parallel = 1

    def __init__(self, place: str, context: int = 0) -> None:
        """Raises UnknownModel where `place` is no folder and no hub id. `context`: tokens, 0 for the model's own."""
        self.name = f"local:{place}"
        folder = Path(place).expanduser()
        self._place, self._offline = (str(folder), True) if folder.is_dir() else (place, False)
        if not self._offline and not _HUB_ID.fullmatch(place):
            raise UnknownModel(
                model=self.name, where=place, hint="Give a folder with config.json and *.safetensors, or a hub id."
            )
        self._setting = context
        self._opening, self._running = threading.Lock(), threading.Lock()
        self._tokenizer: Any = None
        self._config: Any = None
        self._model: Any = None
        self._lookup = True  # until the model turns out to be of a kind that cannot

    def __repr__(self) -> str:
        return f"Local({self._place!r})"

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

    def size(self, text: str) -> int:
        self._open()
        return len(self._tokenizer(self._harmless(text), add_special_tokens=False)["input_ids"])

    def at_most(self, text: str) -> int:
        self._open()
        return bound(self._harmless(text))

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        """See Model.stream. While the model reads its prompt, empty pieces come, so that it can be closed."""
        tokens, inside = self._tokens(prompt)
        needed = len(tokens) + prompt.max_tokens
        if needed > self.context:
            raise ContextTooSmall(model=self.name, context=self.context, needed=needed)

        def work(put: Put, stopped: threading.Event) -> None:
            while not self._running.acquire(timeout=0.1):
                if stopped.is_set():
                    return
            try:
                if not stopped.is_set():
                    self._generate(tokens, prompt.max_tokens, Thoughts(inside), put, stopped)
            except Exception as error:
                raise self._failed(error) from error
            finally:
                self._running.release()

        yield from pump(work)

    def _tokens(self, prompt: Prompt) -> tuple[list[int], bool]:
        """What the model gets, and whether its template makes it begin in the middle of a thought."""
        self._open()
        rendered = prompts.render(prompt)
        system, user = self._harmless(rendered.system), self._harmless(rendered.user)
        text = self._templated(system, user)
        plain = text is None
        text = f"{system}\n\n{user}\n" if text is None else text
        tokens = self._tokenizer(text, add_special_tokens=plain)["input_ids"]  # a template writes its own
        return list(tokens), text.rstrip().endswith("<think>")

    def _templated(self, system: str, user: str) -> str | None:
        """By the model's chat template; None where it has none."""
        if not self._tokenizer.chat_template:
            return None
        from jinja2.exceptions import TemplateError

        apart = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        joined = [{"role": "user", "content": f"{system}\n\n{user}"}]
        for messages in (apart, joined):  # some templates refuse a system's words
            try:
                return str(
                    self._tokenizer.apply_chat_template(
                        messages, add_generation_prompt=True, tokenize=False, enable_thinking=False
                    )
                )
            except TemplateError as error:
                said = error
        raise ModelFailed(model=self.name, detail=one_line(f"its chat template refuses the prompt: {said}"))

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
            import transformers

            def load(offline: bool) -> tuple[Any, Any]:
                how = {"trust_remote_code": False, "local_files_only": offline}
                config = transformers.AutoConfig.from_pretrained(self._place, **how)
                return config, transformers.AutoTokenizer.from_pretrained(self._place, **how)

            self._config, tokenizer = self._load(load)
            self._marks = [
                token.content
                for token in tokenizer.added_tokens_decoder.values()
                if token.special or token.content[0] in "<["
            ]
            self._tokenizer = tokenizer

    def _weights(self) -> Any:
        """The model, on the GPU where there is one. Called with `_running` held."""
        if self._model is None:
            self._open()
            import torch
            import transformers

            gpu = torch.cuda.is_available()
            width = self._config.get_text_config().hidden_size
            dtype = torch.bfloat16 if gpu or bfloat16_is_faster(width) else torch.float32

            def load(offline: bool) -> Any:
                how = {
                    "trust_remote_code": False,
                    "local_files_only": offline,
                    "use_safetensors": True,
                    "dtype": dtype,
                }
                try:  # said here, for a configuration can name an implementation to download
                    return transformers.AutoModelForCausalLM.from_pretrained(
                        self._place, attn_implementation="sdpa", **how
                    )
                except ValueError as error:
                    if "scaled_dot_product_attention" not in str(error):
                        raise
                    return transformers.AutoModelForCausalLM.from_pretrained(
                        self._place, attn_implementation="eager", **how
                    )

            logging: Any = transformers.utils.logging
            logging.disable_progress_bar()
            model = self._load(load)
            self._model = model.to("cuda" if gpu else "cpu").eval()
        return self._model

    def _load(self, load: Any) -> Any:
        """`load(offline)`, from the cache before the network; foreign errors become ours."""
        try:
            if not self._offline:
                try:
                    return load(True)
                except OSError:
                    pass
            return load(self._offline)
        except ModelFailed:
            raise
        except Exception as error:
            raise self._not_loaded(error) from error

    def _generate(
        self, tokens: list[int], max_tokens: int, thoughts: Thoughts, put: Put, stopped: threading.Event
    ) -> None:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList, TextStreamer

        model, tokenizer = self._weights(), self._tokenizer

        class Pieces(TextStreamer):  # type: ignore[misc,unused-ignore]
            """Whole words, as they are decided."""

            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                put(thoughts.feed(text))

        class Stopped(StoppingCriteria):  # type: ignore[misc,unused-ignore]
            """After the token during which the reader left."""

            def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
                return torch.full((input_ids.shape[0],), stopped.is_set(), dtype=torch.bool, device=input_ids.device)

        ids = torch.tensor([tokens], device=model.device)
        ends = _ends(model, tokenizer)

        def run() -> Any:
            with torch.inference_mode():
                return model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=max_tokens,
                    do_sample=False,
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    pad_token_id=ends[0] if ends else 0,
                    eos_token_id=ends or None,
                    prompt_lookup_num_tokens=_LOOKUP if self._lookup else None,
                    streamer=Pieces(tokenizer, skip_prompt=True, skip_special_tokens=True),
                    stopping_criteria=StoppingCriteriaList([Stopped()]),
                )

        try:
            out = run()
        except ValueError:  # said before the first word by models whose memory cannot be turned back
            if not self._lookup:
                raise
            self._lookup = False
            out = run()
        if stopped.is_set():
            return
        rest = thoughts.close()
        if rest:
            put(rest)
        new = out.shape[1] - len(tokens)
        ended = new < max_tokens or int(out[0, -1]) in ends
        put(Finish("stop" if ended else "length", Usage(len(tokens), new)))

    def _not_loaded(self, error: Exception) -> Exception:
        folder = Path(self._place)
        if self._offline and not (folder / "config.json").is_file():
            hint = "A model's folder holds config.json and *.safetensors."
            return UnknownModel(model=self.name, where=folder, hint=hint)
        if self._offline and not any(folder.glob("*.safetensors")):
            detail = "its folder holds no *.safetensors, and no other weights are loaded"
            return ModelFailed(model=self.name, detail=detail)
        if not self._offline and isinstance(error, OSError):
            return UnknownModel(
                model=self.name,
                where="the hub's cache or the hub",
                hint=f"Check the name and the network, or give a folder. ({one_line(str(error))})",
            )
        return self._failed(error)

    def _failed(self, error: Exception) -> Exception:
        if isinstance(error, ModelFailed | UnknownModel):
            return error
        if out_of_memory(error):
            detail = "the memory is not enough: take a smaller model, or lower PAGEWISE_CONTEXT"
        else:
            detail = one_line(f"{type(error).__name__}: {error}")
        return ModelFailed(model=self.name, detail=detail)


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a reply."""
    said = model.generation_config.eos_token_id
    found = said if isinstance(said, list) else [said, tokenizer.eos_token_id]
    return list(dict.fromkeys(token for token in found if token is not None))
