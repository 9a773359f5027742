"""A model's folder: what would make a loader read a pickle, or weights from elsewhere, is refused at every door."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from chains.errors import UnsafeModelError
from chains.models.local.model import Local
from chains.prompt import Prompt
from chains.reader.checkpoint import Card, base_folder
from chains.retrieval.rerank import CrossEncoderReranker, RerankerError
from ingest.embedding.embedder import open_embedder
from ingest.embedding.model_folder import check_model_folder
from ingest.errors import EmbedderError, ModelFolderError, PagewiseError
from tests.support.tiny import TEMPLATE, tiny, tiny_cross_encoder
from tests.support.tiny_bert import tiny_bert

PROMPT = Prompt("answer", "question", "When was the bridge opened?", "en", 4)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model that loads, for each door."""
    folder = tmp_path_factory.mktemp("models")
    encoder = tiny_bert(folder / "encoder")
    return {
        "local": tiny(folder / "local"),
        "embedder": encoder,
        "reader": encoder,
        "reranker": tiny_cross_encoder(folder / "reranker"),
    }


def open_local(folder: Path) -> object:
    return list(Local(str(folder)).stream(PROMPT))


def open_reranker(folder: Path) -> object:
    return CrossEncoderReranker(str(folder)).scores("When?", ["In 1884."])


def open_reader_base(folder: Path) -> object:
    return base_folder(Card(base=str(folder), base_sha256="0" * 64, scale=1.0, rank=4))


def open_embedder_folder(folder: Path) -> object:
    return open_embedder(str(folder)).query("text")


DOORS: dict[str, tuple[Callable[[Path], object], type[PagewiseError]]] = {
    "local": (open_local, UnsafeModelError),
    "embedder": (open_embedder_folder, EmbedderError),
    "reranker": (open_reranker, RerankerError),
    "reader": (open_reader_base, EmbedderError),
}


def turn_into_pickle(folder: Path) -> None:
    """Replace the weights by the same ones in a .bin that an index of safetensors names; transformers loads that."""
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "weights.bin")
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(weights, "weights.bin")}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "other.safetensors").write_bytes(b"")


def name_pickle_in_config(folder: Path) -> None:
    """transformers takes this one name of a pickle from a configuration."""
    torch.save(load_file(folder / "model.safetensors"), folder / "adapter_model.bin")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": "adapter_model.bin"}))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("spoil", [turn_into_pickle, name_pickle_in_config])
def test_no_door_loads_weights_from_a_pickle_that_the_folder_names(
    models: dict[str, Path], tmp_path: Path, door: str, spoil: Callable[[Path], None]
) -> None:
    folder = shutil.copytree(models[door], tmp_path / "model")
    spoil(folder)
    open_door, refusal = DOORS[door]
    with pytest.raises(refusal, match=r"names '\w+\.bin'; only \*\.safetensors|is a pickle"):
        open_door(folder)


@pytest.fixture
def folder(models: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(models["embedder"], tmp_path / "model")


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (INDEX, {"weight_map": {"a": "../model.safetensors"}}, "names '../model.safetensors'"),
        (INDEX, {"weight_map": {"a": "/etc/model.safetensors"}}, "names '/etc/model.safetensors'"),
        (INDEX, {"weight_map": {"a": "..\\model.safetensors"}}, "names"),
        (INDEX, {"weight_map": {"a": "shard.safetensors"}}, "which is not there"),
        (INDEX, {"weight_map": {"a": 7}}, "names '7'"),
        (INDEX, {"weight_map": {}}, "lists no weights"),
        (INDEX, [], "lists no weights"),
        ("other.safetensors.index.json", {"weight_map": {"a": "pytorch_model.bin"}}, "names 'pytorch_model.bin'"),
        ("config.json", {"transformers_weights": "other/model.safetensors"}, "names 'other/model.safetensors'"),
        ("sentence_bert_config.json", {"config_args": {"transformers_weights": "adapter_model.bin"}}, "names"),
        ("sentence_bert_config.json", {"model_args": {"adapter_kwargs": {}}}, "names other weights"),
        ("sentence_bert_config.json", {"model_args": {"gguf_file": "x.gguf"}}, "names other weights"),
        ("adapter_config.json", {"base_model_name_or_path": "someone/else"}, "belongs to a LoRA adapter"),
    ],
)
def test_a_file_that_leads_to_other_weights_is_refused_by_name(
    folder: Path, name: str, value: Any, problem: str
) -> None:
    check_model_folder(folder)
    write(folder / name, value)
    with pytest.raises(ModelFolderError, match=r"safetensors") as caught:
        check_model_folder(folder)
    assert name in str(caught.value) and problem in str(caught.value)


def test_a_json_file_that_is_too_large_or_too_deep_is_refused(folder: Path) -> None:
    (folder / INDEX).write_text('{"weight_map": ' + "[" * 100_000)
    with pytest.raises(ModelFolderError, match="nested too deeply"):
        check_model_folder(folder)
    with (folder / INDEX).open("wb") as file:
        file.truncate(65_000_000)
    with pytest.raises(ModelFolderError, match="64 MB"):
        check_model_folder(folder)


def test_a_module_of_sentence_transformers_may_not_fall_back_to_its_pickle(folder: Path) -> None:
    write(folder / "modules.json", [])
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense/pytorch_model.bin").write_bytes(b"\x80\x04.")
    for beside in ("other.safetensors", INDEX):  # neither is what such a module looks for
        write(folder / "2_Dense" / beside, {"weight_map": {"a": "other.safetensors"}})
        with pytest.raises(ModelFolderError, match=r"2_Dense.pytorch_model\.bin is a pickle"):
            check_model_folder(folder)
    (folder / "2_Dense/model.safetensors").write_bytes(b"")
    check_model_folder(folder)


def test_a_link_to_another_folder_and_a_pipe_are_refused(folder: Path, tmp_path: Path) -> None:
    write(folder / "modules.json", [])
    (tmp_path / "elsewhere").mkdir()
    (folder / "2_Dense").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelFolderError, match="2_Dense is a link to another folder"):
        check_model_folder(folder)
    (folder / "2_Dense").unlink()
    os.mkfifo(folder / "config.json.new")
    with pytest.raises(ModelFolderError, match="is not a regular file"):
        check_model_folder(folder)


def test_pickles_that_no_loader_chooses_do_no_harm(folder: Path) -> None:
    """Of a model that comes in both forms, and of its training."""
    for name in ("pytorch_model.bin", "pytorch_model.bin.index.json", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(b"{}")
    (folder / "original").mkdir()
    (folder / "original/consolidated.00.pth").write_bytes(b"")  # no loader looks into it without modules.json
    check_model_folder(folder)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    write(folder / INDEX, {"weight_map": {"a": "model-00001-of-00001.safetensors"}})
    check_model_folder(folder)


def test_an_embedder_or_re_ranker_that_runs_a_chat_template_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    """sentence-transformers would render it in this process, for as long as it likes."""
    for door in ("embedder", "reranker"):
        copy = shutil.copytree(models[door], tmp_path / door)
        (copy / "chat_template.jinja").write_text(TEMPLATE)
        open_door, refusal = DOORS[door]
        with pytest.raises(refusal, match="chat template"):
            open_door(copy)
