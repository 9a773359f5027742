"""A chat template is a stranger's program: it renders what transformers renders, and cannot run for ever."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

from app.i18n import Words
from chains.errors import ChatTemplateError
from chains.models.local import chat_template
from chains.models.local.chat_template import MEMORY_MB, TemplateLimitError, TemplateRefusedError, TemplateRenderer
from chains.models.local.model import Local
from chains.prompt import Prompt
from tests.support.tiny import TEMPLATE, tiny

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "为什么？\ud83d <|im_end|> {{ 7 }}"},
]
LOOP = "{% for a in range(100000) %}{% for b in range(100000) %}{% set c = b %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
def renderer() -> Iterator[TemplateRenderer]:
    renderer = TemplateRenderer(render_seconds=2)
    yield renderer
    renderer.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny") / "model")


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE,
        "{{ bos_token }}{% for m in messages %}{{ m | tojson }}{% if loop.last %}{% break %}{% endif %}{% endfor %}",
        "{% generation %}{{ messages[1].content[::-1] }}{% endgeneration %}{{ eos_token }}{{ enable_thinking }}",
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
    ],
)
def test_a_template_gives_the_text_that_transformers_gives(
    renderer: TemplateRenderer, folder: Path, template: str
) -> None:
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.bos_token = "<|end|>"
    wanted = tokenizer.apply_chat_template(
        MESSAGES, chat_template=template, add_generation_prompt=True, tokenize=False, enable_thinking=False
    )
    variables = {**tokenizer.special_tokens_map, "enable_thinking": False}
    assert renderer.render(template, MESSAGES, variables) == wanted != ""


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (LOOP, "ran longer than 2 s"),
        ("{{ 'a' * 10 ** 10 }}", f"more than {MEMORY_MB} MB"),
        ("{{ [0] * 10 ** 10 }}", f"more than {MEMORY_MB} MB"),
        ("{{ 'a' | center(10 ** 10) }}", f"more than {MEMORY_MB} MB"),
        ("{{ '%10000000000d' % 1 }}", f"more than {MEMORY_MB} MB"),
        ("{{ 9 ** (9 ** 9) }}", "ran longer than 2 s"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself"),
        ("{{ 'a' * 3000000 }}", "wrote 3000000 characters"),
        ("{{ messages.nothing.at_all }}", "refused"),
        ("{% for %}", "refused"),
        ("{{ messages[0].content + 1 }}", "TypeError"),
    ],
)
def test_a_template_that_breaks_a_limit_is_ended_and_the_next_one_renders(
    renderer: TemplateRenderer, template: str, problem: str
) -> None:
    began = time.monotonic()
    kind = TemplateRefusedError if problem == "refused" else TemplateLimitError
    with pytest.raises(kind, match=None if problem == "refused" else problem):
        renderer.render(template, MESSAGES, {})
    assert time.monotonic() - began < 15
    assert renderer.render("{{ messages | length }}", MESSAGES, {}) == "2"


def test_its_memory_is_bounded_where_the_system_limits_no_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS: the parent looks at what is resident."""
    without = "import _serve; import chains.models.local.chat_template as m; m._limit_memory = lambda: None;"
    monkeypatch.setattr(chat_template, "_BOOT", chat_template._BOOT.replace("import _serve;", without))
    fresh = TemplateRenderer(render_seconds=20)
    with pytest.raises(TemplateLimitError, match=f"more than {MEMORY_MB} MB"):
        fresh.render("{% set a = 'a' * 1500000000 %}" + LOOP, MESSAGES, {})
    fresh.close()


def test_threads_share_a_renderer_and_each_gets_its_own_text(renderer: TemplateRenderer) -> None:
    texts: dict[int, str] = {}

    def render(n: int) -> None:
        texts[n] = renderer.render("{{ messages[0].content }}", [{"role": "user", "content": str(n) * 100_000}], {})

    threads = [threading.Thread(target=render, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {n: str(n) * 100_000 for n in range(8)}


def test_a_process_that_was_killed_is_started_again(renderer: TemplateRenderer) -> None:
    assert renderer.render("a", MESSAGES, {}) == "a" and renderer._process
    os.kill(renderer._process.pid, 9)
    with pytest.raises(TemplateLimitError, match="crashed"):
        renderer.render("a", MESSAGES, {})
    assert renderer.render("a", MESSAGES, {}) == "a"


def test_the_renderer_has_no_secrets_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_API_KEY", "sk-secret")
    fresh = TemplateRenderer()
    fresh.render("a", MESSAGES, {})
    assert fresh._process
    environment = Path(f"/proc/{fresh._process.pid}/environ")
    if environment.exists():
        assert b"sk-secret" not in environment.read_bytes()
    fresh.close()


@pytest.mark.parametrize("where", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_model_whose_template_never_ends_is_said_so_in_both_languages(
    folder: Path, tmp_path: Path, where: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "chat_template.jinja").unlink()
    if where == "chat_template.jinja":
        (copy / where).write_text(LOOP)
    else:
        config = json.loads((copy / where).read_text())
        (copy / where).write_text(json.dumps(config | {"chat_template": LOOP}))
    model = Local(str(copy))
    with pytest.raises(ChatTemplateError, match=r"ran longer than 5 s\)\. Correct its chat_template\.jinja") as caught:
        model.count(Prompt("answer", "question", "When?", "en", 20))
    assert "对话模板" in Words("zh").error(caught.value)


def test_several_templates_without_a_default_are_said_so(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "chat_template.jinja").unlink()
    (copy / "additional_chat_templates").mkdir()
    (copy / "additional_chat_templates/tool_use.jinja").write_text(TEMPLATE)
    with pytest.raises(ChatTemplateError, match="multiple chat templates"):
        Local(str(copy)).count(Prompt("answer", "question", "When?", "en", 20))
