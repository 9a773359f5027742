"""One stack takes PDFs in, in a process of its own, and says how long that took. Needs nothing of the others.

    python benchmarks/ingest_stacks.py STACK WEIGHTS STORE FILE…

STACK: ours, langchain or llamaindex, the last two with their own defaults. WEIGHTS: the folder of the embedding model.
STORE: an empty folder for what is made. Prints one line of JSON: {"pages", "chunks", "seconds", "steps"}; `steps` are
[pages, seconds] as they come in. The clock runs from the first byte read to the last vector stored; importing the
libraries and loading the model come before it, for every stack.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Taken = dict[str, Any]


def ours(weights: str, store: Path, files: list[str]) -> Callable[[], Taken]:
    import chromadb  # noqa: F401  opened lazily; imported here, as the others do

    from ingest.embedding.embedder import open_embedder
    from ingest.pdf.sandbox import Limits
    from ingest.pipeline import Result, Upload, ingest
    from ingest.store.library import Library

    embedder = open_embedder(weights)
    embedder.query("warm")
    library = Library(store, embedder)

    def take_in() -> Taken:
        pages, chunks, steps, started = 0, 0, [], time.monotonic()
        for event in ingest([Upload(Path(file).name, Path(file)) for file in files], library, Limits()):
            if isinstance(event, Result):
                if event.error:
                    raise event.error
                pages, chunks = pages + event.pages, chunks + event.chunks
                steps.append([pages, round(time.monotonic() - started, 3)])
        return {"pages": pages, "chunks": chunks, "steps": steps}

    return take_in


def langchain(weights: str, store: Path, files: list[str]) -> Callable[[], Taken]:
    from langchain_chroma import Chroma
    from langchain_community.document_loaders import PyPDFLoader
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    embedder = HuggingFaceEmbeddings(model_name=weights)
    embedder.embed_query("warm")

    def take_in() -> Taken:
        pages = [page for file in files for page in PyPDFLoader(file).load()]
        chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(pages)
        Chroma.from_documents(chunks, embedder, persist_directory=str(store))
        return {"pages": len(pages), "chunks": len(chunks), "steps": []}

    return take_in


def llamaindex(weights: str, store: Path, files: list[str]) -> Callable[[], Taken]:
    from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    embedder = HuggingFaceEmbedding(model_name=weights)
    embedder.get_query_embedding("warm")

    def take_in() -> Taken:
        pages = SimpleDirectoryReader(input_files=files).load_data()
        index = VectorStoreIndex.from_documents(pages, embed_model=embedder)
        index.storage_context.persist(persist_dir=str(store))
        return {"pages": len(pages), "chunks": len(index.docstore.docs), "steps": []}

    return take_in


# What each one needs beside the project, to tell whoever has not got it.
PACKAGES = {
    "langchain": "langchain-community langchain-huggingface langchain-chroma langchain-text-splitters 'pypdf[crypto]'",
    "llamaindex": "llama-index-core llama-index-readers-file llama-index-embeddings-huggingface 'pypdf[crypto]'",
}
STACKS = {"ours": ours, "langchain": langchain, "llamaindex": llamaindex}


def main(stack: str, weights: str, store: str, *files: str) -> int:
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what a library prints is no result
        try:
            take_in = STACKS[stack](weights, Path(store), list(files))
        except ImportError as error:
            print(json.dumps({"missing": str(error)}), file=out)
            return 1
        started = time.monotonic()
        taken = take_in()
        seconds = time.monotonic() - started
    print(json.dumps({**taken, "seconds": round(seconds, 3)}), file=out)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
