"""Which package may import which, that no modules import each other in a circle, and where each large library may be
imported. Imports inside functions and under TYPE_CHECKING count.
"""

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ingest", "chains", "app")

# A package's own modules, where they are more than one layer: the data that travel through all layers are the lowest
# one, and what puts everything together is the highest. Every other module belongs to the package that it stands in.
LAYERS = {
    "ingest data": "blocked_addresses cli_options document errors http_client notices plural safe_open server_url "
    "terminal_text text_file",
    "ingest pipeline": "chunk prefetch pipeline",
    "chains data": "cost errors events model options plan prompt thinking",
    "chains.models door": "models",
    "app door": "main",
}
LAYER_OF = {
    f"{layer.split()[0].partition('.')[0]}.{name}": layer for layer, names in LAYERS.items() for name in names.split()
}

# Each layer may import the layers named beside it and itself. They stand in order: none names a later one.
MAY_IMPORT = {
    "ingest data": "",
    "settings_files": "ingest data",
    "settings": "settings_files, ingest data",
    "ingest.text": "ingest data",
    "ingest.embedding": "ingest data",
    "ingest.pdf": "ingest data, ingest.text",
    "ingest.store": "ingest data, ingest.text, ingest.embedding, ingest.pdf",
    "ingest pipeline": "ingest data, ingest.text, ingest.embedding, ingest.pdf, ingest.store",
    "ingest.sync": "ingest data, ingest.pdf, ingest.store, ingest pipeline",
    "ingest": "settings, ingest data, ingest.embedding, ingest.pdf, ingest.store, ingest pipeline, ingest.sync",
    "chains data": "ingest data",
    "chains.language": "chains data, ingest.text",
    "chains.grounding": "chains data, chains.language, ingest.text",
    "chains.prompting": "chains data, chains.grounding",
    "chains.execution": "chains data, chains.language, chains.grounding, chains.prompting, "
    "ingest data, ingest.text, ingest.store",
    "chains.reader": "ingest data, ingest.text, ingest.embedding",
    "chains.reader.tables": "chains.language, ingest.text",
    "chains.reader.chinese": "chains.reader, ingest.text",
    "chains.retrieval": "chains.language, chains.reader, ingest data, ingest.text, ingest.embedding, ingest.store",
    "chains.question": "chains data, chains.language, chains.execution, chains.retrieval, ingest data, ingest.text",
    "chains.strategies": "chains data, chains.language, chains.grounding, chains.prompting, chains.execution, "
    "ingest data, ingest.text, ingest.store",
    "chains.models": "chains data, ingest data",
    "chains.models.remote": "chains data, chains.prompting, chains.execution, chains.models, ingest data",
    "chains.models.local": "chains data, chains.prompting, chains.models, ingest data, ingest.embedding, ingest.pdf",
    "chains.models.extractive": "chains data, chains.language, chains.grounding, chains.reader, chains.reader.tables, "
    "chains.reader.chinese, chains.retrieval, chains.question, ingest.text, ingest.embedding",
    "chains.models door": "chains data, chains.reader, chains.models.remote, chains.models.local, "
    "chains.models.extractive, ingest.embedding",
    "chains": "chains data, chains.language, chains.grounding, chains.execution, chains.retrieval, chains.question, "
    "chains.strategies, ingest data, ingest.text, ingest.store",
    "app.i18n": "chains data, ingest data",
    "app.sample": "",
    "app": "settings_files, settings, chains data, chains, chains.execution, chains.grounding, chains.retrieval, "
    "chains.reader, chains.reader.chinese, chains.models door, chains.models.remote, "
    "ingest data, ingest pipeline, ingest.text, ingest.embedding, ingest.pdf, ingest.store, ingest.sync, "
    "app.i18n",
    "app.views": "settings, chains data, chains, chains.execution, chains.grounding, chains.models.remote, "
    "ingest data, ingest, ingest pipeline, ingest.text, ingest.pdf, app.i18n, app",
    "app.screens": "settings, ingest data, app.i18n, app, app.views",
    "app.web": "settings, ingest data, app, app.views",
    "app.cli": "settings, chains data, chains, chains.grounding, chains.retrieval, "
    "chains.models.remote, ingest data, ingest, ingest.text, ingest.store, app, app.web",
    "app door": "settings, ingest data, ingest, app.i18n, app, app.views, app.screens",
}

# Where a library may be imported: packages ("app.": all modules in it) and modules.
LIBRARIES = {
    "streamlit": "app.",
    "starlette": "app.web.asgi app.web.host_guard",
    "click": "app.web.launch",
    "playwright": "app.sample.make",
    "chromadb": "ingest.store.chroma",
    "watchfiles": "ingest.sync.watch",
    "pypdfium2": "ingest.pdf.",
    "pypdf": "ingest.pdf. app.sample.make",
    "rapidocr": "ingest.pdf.ocr_worker",
    "snowballstemmer": "ingest.text.search_tokens",
    "openvino": "ingest.embedding.openvino ingest.embedding.int8 chains.reader.openvino_graph",
    "sentence_transformers": "ingest.embedding.sentence_transformer chains.retrieval.rerank",
    "torch": "ingest.embedding.convert chains.retrieval.rerank chains.models.local.",
    "transformers": "ingest.embedding.embedder ingest.embedding.sentence_transformer chains.models.local.",
    "peft": "chains.models.local.lora",
    "jinja2": "chains.models.local.chat_template",
    "langchain": "chains.models.remote.providers",
    "langchain_openai": "chains.models.remote.providers ingest.embedding.embedder",
    "langsmith": "chains.models.remote.chat",
    "openai": "chains.models.remote.",
    "httpx": "ingest.http_client chains.models.remote.",
}

Imports = Mapping[str, set[str]]


def read_imports() -> tuple[Imports, Imports]:
    """For every module of the product: the product's modules that it imports, and the other libraries."""
    files = [*ROOT.glob("settings*.py"), *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))]
    module_of = {
        path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files
    }
    modules = set(module_of.values())
    own: dict[str, set[str]] = {module: set() for module in modules}
    foreign: dict[str, set[str]] = {module: set() for module in modules}
    for path, module in module_of.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: a relative import"
                base = node.module or ""
                names = {f"{base}.{alias.name}" for alias in node.names}
                imported = (names & modules) | ({base} if names - modules else set())
            else:
                continue
            own[module] |= imported & modules
            foreign[module] |= {name.partition(".")[0] for name in imported - modules}
    return own, foreign


OWN, FOREIGN = read_imports()


def layer_of(module: str) -> str:
    if module in LAYER_OF:
        return LAYER_OF[module]
    is_package = (ROOT / module.replace(".", "/")).is_dir()
    return module if is_package or "." not in module else module.rpartition(".")[0]


def test_every_package_is_in_the_table_and_no_other() -> None:
    assert {layer_of(module) for module in OWN} == set(MAY_IMPORT)
    assert set(LAYER_OF) <= set(OWN)


def test_the_table_leads_only_downward() -> None:
    above: set[str] = set()
    for layer, allowed in MAY_IMPORT.items():
        assert set(filter(None, allowed.split(", "))) <= above, layer
        above.add(layer)


def test_no_layer_imports_what_its_row_does_not_name() -> None:
    wrong = [
        f"{module} imports {imported}: {layer_of(imported)} is not for {layer_of(module)}"
        for module, every in OWN.items()
        for imported in every
        if layer_of(imported) != layer_of(module) and layer_of(imported) not in MAY_IMPORT[layer_of(module)].split(", ")
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_the_table_allows_nothing_that_nobody_needs() -> None:
    used = {(layer_of(module), layer_of(imported)) for module, every in OWN.items() for imported in every}
    unused = [
        f"{layer}: {name}"
        for layer, allowed in MAY_IMPORT.items()
        for name in filter(None, allowed.split(", "))
        if (layer, name) not in used
    ]
    assert not unused, unused


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        tuple(TopologicalSorter(OWN).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_each_library_is_imported_only_where_it_belongs() -> None:
    wrong = [
        f"{module} imports {library}"
        for module, every in FOREIGN.items()
        for library in every & set(LIBRARIES)
        if not any(
            module.startswith(place) if place.endswith(".") else module == place for place in LIBRARIES[library].split()
        )
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_every_library_of_the_table_is_imported_somewhere() -> None:
    assert set(LIBRARIES) <= set().union(*FOREIGN.values())
