"""What can go wrong between a question and its answer. What had arrived before is kept by whoever was reading."""

from typing import ClassVar

from ingest.errors import PagewiseError


class ModelError(PagewiseError):
    """The model did not answer, or not to the end."""


class ModelUnreachable(ModelError):
    text = "No model server answers at {url} ({detail})."
    remedy = "Start the server, or correct PAGEWISE_API_BASE."


class KeyRefused(ModelError):
    text = "The model server at {url} refused the key."
    remedy = "Set a valid one in PAGEWISE_API_KEY (or OPENAI_API_KEY)."


class KeyMissing(ModelError):
    text = "The model {model!r} needs a key and none is set."
    remedy = "Set PAGEWISE_API_KEY (or OPENAI_API_KEY); for a server of your own, set PAGEWISE_API_BASE."


class UnknownModel(ModelError):
    text = "There is no model {model!r} at {where}."
    remedy = "{hint}"


class RateLimited(ModelError):
    text = "The model server at {url} takes no more calls for now ({detail})."
    remedy = "Wait a little and ask again, or lower PAGEWISE_PARALLEL."


class RateLimitedLong(RateLimited):
    text = "The model server at {url} takes no more calls for {minutes:n minute} ({detail})."
    remedy = "Ask again then, or choose another model."


class ContextTooSmall(ModelError):
    text = "The model {model!r} reads {context} tokens at once, too few for this request ({needed} are needed)."
    remedy = "Choose a model with a larger context window, or correct PAGEWISE_CONTEXT."


class ContextRefused(ContextTooSmall):
    """Only the server knew."""

    text = "The model {model!r} refused the request as too long for it ({detail})."
    remedy = "Set PAGEWISE_CONTEXT to the number of tokens that it reads at once, or choose a model that reads more."


class StreamCut(ModelError):
    text = "The connection to the model broke off in the middle of the reply ({detail}). What had arrived is kept."
    remedy = "Ask again."


class ModelTimeout(ModelError):
    text = "The model at {url} gave no answer for {seconds:n second}. What had arrived is kept."
    remedy = "Ask again, or raise PAGEWISE_API_SECONDS."


class ModelFailed(ModelError):
    text = "The model {model!r} failed ({detail}). What had arrived is kept."
    remedy = "Ask again; if it goes on, choose another model."


class ServerAway(ModelFailed):
    """The server answers that it, or what stands behind it, cannot answer now: no fault of what it was asked."""

    remedy = "Ask again when it is back; if it goes on, choose another model."


class CapReached(ModelError):
    """A cap of the person's leaves no room for another call. What was read is kept, and joined where it can be."""

    setting: ClassVar[str] = ""  # the option and the setting that raise it


class CallsSpent(CapReached):
    setting = "--max-calls or PAGEWISE_MAX_CALLS"
    text = "It was ended by the cap of {limit:n model call}; pages read: {read} of {total}."
    remedy = f"What was read is kept; go on with a higher cap ({setting})."


class TokensSpent(CapReached):
    setting = "--max-tokens or PAGEWISE_MAX_TOKENS"
    text = "It was ended by the cap of {limit:n token}; pages read: {read} of {total}."
    remedy = f"What was read is kept; go on with a higher cap ({setting})."


class SecondsSpent(CapReached):
    setting = "--max-seconds or PAGEWISE_MAX_SECONDS"
    text = "It was ended by the cap of {limit} s; pages read: {read} of {total}."
    remedy = f"What was read is kept; go on, or with a higher cap ({setting})."


class MoneySpent(CapReached):
    setting = "--max-cost or PAGEWISE_MAX_COST"
    text = "It was ended by the cap of {limit}; pages read: {read} of {total}."
    remedy = f"What was read is kept; go on with a higher cap ({setting})."


class NothingCame(CapReached):
    text = "It was ended by a cap before any reply came ({detail})."
    remedy = "Nothing was read; ask again later, or with a higher cap ({setting})."


class NoReply(ModelFailed):
    text = "The model {model!r} gave an empty reply."
    remedy = "Ask again; if it goes on, choose another model."


class OnlyThoughts(ModelFailed):
    text = "The model {model!r} wrote {tokens} tokens of thinking and no answer."
    remedy = "Switch its thinking off where its server can do that, or choose another model."


class PackageMissing(ModelError):
    text = "The provider {provider!r} needs the package {package!r}."
    remedy = "Install it: `.venv/bin/pip install -c constraints.txt {package}`."


class ExtraMissing(ModelError):
    text = "{setting} needs the package {package!r}, which is not installed."
    remedy = "Install it: `.venv/bin/pip install -c constraints.txt -e '.[{extra}]'`."


class MemoryTooSmall(ModelError):
    text = (
        "The model {model!r} needs about {needed:.1f} GB of memory, and {free:.1f} GB are free "
        "(PAGEWISE_LOCAL_BITS={bits})."
    )
    remedy = "Close other programs, take a smaller model, or hold it in fewer bits: PAGEWISE_LOCAL_BITS=4."


class UnsafeModelError(ModelError):
    """Its folder would make a loader read something else than safetensors. Nothing of it was loaded."""

    text = "The model {model!r} is not loaded: {detail}."
    remedy = "Take a copy of the model whose weights are all safetensors."


class ChatTemplateError(ModelError):
    """The template that a model brings, a small program, broke a limit. Nothing was sent to the model."""

    text = "The chat template of the model {model!r} cannot be used ({detail})."
    remedy = "Correct its chat_template.jinja (or tokenizer_config.json), or choose another model."


class AdapterUnfit(ModelError):
    text = "The adapter in {folder} cannot be used ({detail})."
    remedy = "Set PAGEWISE_LORA to the folder of a LoRA adapter for this very model, or leave it empty."


class ChainError(PagewiseError):
    """The chain cannot do what was asked of it."""


class ExamplesError(ChainError):
    """A file of examples cannot be used; nothing was asked."""


class ExamplesUnreadable(ExamplesError):
    text = "The examples in {file} cannot be used ({detail})."
    remedy = "Give each as a line of JSON, or in TOML as an [[example]], with question and answer."


class ExampleWrong(ExamplesError):
    text = "The examples in {file} cannot be used: line {line} is wrong ({detail})."
    remedy = "An example is a question, an answer and perhaps a note, all of them text."


class PriceUnknown(ChainError):
    text = "The cost is capped, and the price of the model {model!r} is not known."
    remedy = "Write it into prices.toml (`pagewise prices` shows where it is), or cap calls or tokens instead."


class UnknownChain(ChainError):
    text = "There is no chain {name!r} for this task."
    remedy = "There are: {names}."
