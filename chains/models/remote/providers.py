"""A LangChain chat model for "provider:model", with nothing taken from the environment that would send it elsewhere."""

import warnings
from collections.abc import Mapping
from typing import Any

import httpx

from chains.errors import KeyMissing, ModelFailed, PackageMissing, UnknownModel
from chains.models.error_mapping import one_line
from chains.models.remote import stream_chunks

NO_KEY = "none"  # servers of one's own want no key, the client wants one

# How a provider's class calls what we set; a name left out is not set. The default is right for most.
_DEFAULT_NAMES = {"tokens": "max_tokens", "seconds": "timeout", "retries": "max_retries"}
_NAMES: Mapping[str, Mapping[str, str]] = {
    "google_genai": {**_DEFAULT_NAMES, "tokens": "max_output_tokens"},
    "google_vertexai": {**_DEFAULT_NAMES, "tokens": "max_output_tokens"},
    "ollama": {"tokens": "num_predict", "window": "num_ctx"},
    "bedrock": {"tokens": "max_tokens"},
    "bedrock_converse": {"tokens": "max_tokens"},
    "huggingface": {"tokens": "max_new_tokens"},
}


def open_openai(model: str, base: str, key: str, seconds: float, http: httpx.Client, hosted: bool) -> Any:
    """A ChatOpenAI. `hosted`: OpenAI itself, which alone has the Responses interface. Retries are the caller's."""
    from langchain_openai import ChatOpenAI

    class Thinking(ChatOpenAI):
        """LangChain leaves out what is not OpenAI's own, such as a thought beside the text."""

        def _convert_chunk_to_generation_chunk(self, chunk: Any, *more: Any, **how: Any) -> Any:
            made = super()._convert_chunk_to_generation_chunk(chunk, *more, **how)
            for choice in chunk.get("choices", ()):
                if made is not None and (thought := choice["delta"].get(stream_chunks.THOUGHT)):
                    made.message.additional_kwargs[stream_chunks.THOUGHT] = thought
            return made

    # Said to whoever watches stderr when a server refuses a schema; chat.py does without it then.
    warnings.filterwarnings("ignore", message="This model does not support OpenAI's structured output")
    more: dict[str, Any] = {} if hosted else {"use_responses_api": False}
    opened = Thinking(
        model=model,
        base_url=base,  # always given: else OPENAI_API_BASE or LANGSMITH_GATEWAY would choose
        api_key=key or NO_KEY,
        http_client=http,
        timeout=seconds,
        max_retries=0,
        openai_proxy="",  # `http` has its own
        stream_usage=True,
        **more,
    )
    opened.client = stream_chunks.Completions(opened.client)
    return opened


def open_other(provider: str, model: str, base: str, key: str, seconds: float, max_tokens: int, window: int) -> Any:
    """Any other provider's chat model; without a key its package looks for its own in the environment.

    Raises PackageMissing, UnknownModel (no such provider), KeyMissing, ModelFailed.
    """
    import langchain.chat_models.base as known
    from langchain.chat_models import init_chat_model

    # The registry is private; without it the messages of init_chat_model would still tell, less well.
    registry: Mapping[str, Any] = getattr(known, "_BUILTIN_PROVIDERS", {})
    if registry and provider not in registry:
        all_names = ", ".join(sorted({"extractive", "local", *registry}))
        raise UnknownModel(model=f"{provider}:{model}", where="any provider", hint=f"Providers are: {all_names}.")
    names: Mapping[str, str] = _NAMES.get(provider, _DEFAULT_NAMES)
    values = {"tokens": max_tokens, "seconds": seconds, "retries": 0, "window": window}
    given = {what: value for what, value in values.items() if what in names and value is not None}
    settings: dict[str, Any] = {names[what]: value for what, value in given.items()}
    if base:
        settings["base_url"] = base
    if key:
        settings["api_key"] = key
    try:
        return init_chat_model(model, model_provider=provider, temperature=0, **settings)
    except ImportError:
        package = str(registry[provider][0]).split(".")[0].replace("_", "-") if registry else f"langchain-{provider}"
        raise PackageMissing(provider=provider, package=package) from None
    except Exception as error:  # every package has its own way to say that its key is missing
        said = one_line(str(error), key)
        if not key and "key" in said.lower():
            raise KeyMissing(model=f"{provider}:{model}") from None
        raise ModelFailed(model=f"{provider}:{model}", detail=said or type(error).__name__) from None
