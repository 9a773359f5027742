"""One string chooses the model. What a choice does not need is not imported: the default loads no large library."""

import contextlib
import importlib
import os

from chains.errors import UnknownModel
from chains.model import Model
from chains.models.local.quantization import Bits
from chains.reader.protocol import Reader
from ingest.embedding.embedder import Embedder


def open_model(
    spec: str,
    *,
    api_base: str = "",
    api_key: str = "",
    context: int = 0,
    parallel: int = 0,
    seconds: float = 120,
    embedder: Embedder | None = None,
    bits: Bits = "auto",
    lora: str = "",
    reader: Reader | None = None,
    allow_link_local: bool = False,
) -> Model:
    """The model that `spec` names.

    "extractive"                      no language model: picks sentences, by `reader` and `embedder` where there are any
    "local:<folder or hub id>"        transformers, in this process
    "openai:<model>"                  OpenAI, or with `api_base` any server that speaks its language
    "<provider>:<model>"              what LangChain's `init_chat_model` knows, with the provider's package installed

    `context` tokens and `parallel` calls at once: 0 to find out. `seconds`: the longest silence of a server.
    `bits` of a local model's weights, and `lora`, the folder of an adapter for it.
    `allow_link_local`: `api_base` may lead to a link-local or metadata address.
    Nothing is loaded or sent yet. Raises KeyMissing, PackageMissing, UnknownModel, AdapterUnfit, BlockedAddressError.
    """
    kind, colon, name = spec.strip().partition(":")
    if kind == "extractive" and not colon:
        from chains.models.extractive.model import Extractive

        return Extractive(embedder, parallel or 1, reader)
    if not name:
        raise UnknownModel(
            model=spec, where="Pagewise", hint="Write extractive, local:<folder>, openai:<model> or <provider>:<model>."
        )
    if kind == "local":
        from chains.models.local.model import Local

        return Local(name, context, parallel, bits, lora)
    if kind != "openai" and api_key == os.environ.get("OPENAI_API_KEY"):
        api_key = ""  # the settings fall back to OpenAI's key; it is not another provider's to see
    from chains.models.remote.chat import Chat

    return Chat(f"{kind}:{name}", api_base, api_key, context, parallel, seconds, allow_link_local)


def prepare(spec: str) -> None:
    """Import what an API model needs, which takes seconds the first time: so that the first question need not wait.

    Raises nothing; what is wrong with `spec` is told by `open_model`.
    """
    kind = spec.strip().partition(":")[0]
    wanted = {"extractive": (), "local": (), "openai": ("langchain.chat_models", "langchain_openai")}
    for name in wanted.get(kind, ("langchain.chat_models",)):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
