"""Asking in the app, without a browser: what is drawn, and what a click does."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cached_resources, safe_text
from app.conversations import Conversations, Entry
from app.i18n import TEXTS, Words
from chains.errors import ModelTimeout
from chains.options import Ways
from chains.prompt import Prompt
from chains.retrieval.hybrid import Scope
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Upload, ingest
from ingest.store.library import Library
from settings import load_settings
from tests.support.fakes import ScriptedModel
from tests.support.pages import (
    MAIN,
    any_role,
    ask,
    conversation,
    filled,
    keys,
    pictures,
    press,
    small,
    speaking,
    start,
    texts,
)
from tests.support.pdfs import make_pdf

NASTY = "![x](http://evil.example/leak) <b>bold</b> $x$ :red[no] [a](http://evil.example)"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from small(monkeypatch)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedModel]:
    return speaking(monkeypatch)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """The app's own, with one document in it."""
    return filled(tmp_path, ["bridge.pdf"])


def test_an_answer_its_quotes_and_the_page_behind_a_mark(library: Library, says: Callable[..., ScriptedModel]) -> None:
    says('It was opened in 1884 [1: "opened in 1884"].')
    at = ask(start(), "When was the bridge opened?")
    assert "1 of 1 quote found on its page" in texts(at)
    assert "1 of 1 figure found on the cited pages" in texts(at)
    (mark,) = keys(at, "cite-")
    assert f"(#{mark})" in texts(at)  # the mark in the text leads to the button
    press(at, mark)
    assert "page 1 of 2" in texts(at)
    assert "opened in 1884" in texts(at)
    assert pictures(at) == 1
    press(at, "source-next")
    assert "page 2 of 2" in texts(at)
    press(at, "source-close")
    assert not pictures(at)


def test_a_quote_over_a_page_break_is_marked_on_both_pages(tmp_path: Path, says: Callable[..., ScriptedModel]) -> None:
    pages = ["The bridge was opened in 1884. She saw instantly", "that the old mill was gone. Nothing else was new."]
    file = make_pdf(tmp_path / "bridge.pdf", pages)
    list(ingest([Upload("bridge.pdf", file)], cached_resources.library(load_settings()), Limits()))
    says('It was gone [1: "She saw instantly that the old mill was gone"].')
    at = ask(start(), "Was the old mill gone?")
    assert "1 of 1 quote found on its page" in texts(at)
    press(at, keys(at, "cite-")[0])
    assert "page 1 of 2" in texts(at) and TEXTS["en"]["source.marked"] in texts(at)
    press(at, "source-next")
    assert "page 2 of 2" in texts(at) and TEXTS["en"]["source.marked"] in texts(at)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_sentence_without_a_source_has_a_sign_and_near_quotes_are_counted_apart(
    lang: str, library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says("The bridge was opened in 1884 [1]. **It was a bridge near the mill [1].** The moon is green. So it is [1].")
    at = ask(start(lang=lang), "When was the bridge opened?")
    words = Words(lang)  # type: ignore[arg-type]
    drawn = texts(at)
    assert (
        f"The moon is green\\. {safe_text.SIGN} So it is" in drawn and drawn.count(safe_text.SIGN) == 2
    )  # there, and below
    assert f"{safe_text.SIGN} {words.count('answer.unsourced', 1)}" in drawn
    near = words("answer.quotes.near", n=1)
    assert words.count("answer.quotes", 3, done=1) + near in drawn
    assert words.count("step.verified", 3, done=1) + near in drawn


@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine", "map_rerank"])
def test_each_chain_answers_and_can_be_asked_for_again(
    chain: str, library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says(lambda prompt: "Score: 90\nIt was 1884 [1]." if prompt.role == "rerank" else "It was 1884 [1].")
    at = start()
    at.selectbox(key="chain").select(chain).run()
    assert TEXTS["en"][f"chain.{chain}.about"] in texts(at)
    ask(at, "When?")
    assert "It was 1884" in texts(at)
    (again,) = keys(at, "again-")
    press(at, again)
    store = Conversations(load_settings().data)
    entries = store.entries(conversation(at))
    assert [entry.chain for entry in entries] == [chain, chain]
    assert all(entry.answer and "1884" in entry.answer.text for entry in entries)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_did_not_fit_is_said_and_a_press_reads_it_with_the_chain_that_can(
    lang: str, tmp_path: Path, says: Callable[..., ScriptedModel]
) -> None:
    filled(tmp_path, [f"{n}.pdf" for n in range(6)])
    model = says(lambda p: "\n".join(p.notes) or "It was opened in 1884 [1].", context=560)
    at = ask(start(lang=lang), "When was the bridge opened?")
    (entry,) = Conversations(load_settings().data).entries(conversation(at))
    (cut,) = [step for step in entry.steps if step.name == "cut"]
    words = Words(lang)  # type: ignore[arg-type]
    assert words("step.cut.plain", done=cut.done, total=cut.total) in texts(at) and cut.done < cut.total
    (offer,) = keys(at, "read-all-")
    assert at.button(key=offer).label == words("ask.read_all", chain=words("chain.map_reduce"))
    model.prompts.clear()
    press(at, offer)
    assert {s.n for p in model.prompts if p.role == "map" for s in p.sources} == set(range(1, cut.total + 1))
    _, again = Conversations(load_settings().data).entries(conversation(at))
    assert again.chain == "map_reduce" and not [step for step in again.steps if step.name == "cut"]
    assert keys(at, "read-all-") == [offer]  # the answer that read all offers nothing


def test_a_follow_up_is_asked_with_what_came_before(library: Library, says: Callable[..., ScriptedModel]) -> None:
    model = says(lambda prompt: "When was the bridge opened?" if prompt.role == "condense" else "In 1884 [1].")
    at = ask(start(), "What is there about a bridge?")
    ask(at, "And when was it opened?")
    (condense,) = [prompt for prompt in model.prompts if prompt.role == "condense"]
    assert condense.history[0].question == "What is there about a bridge?"


def test_a_refusal_shows_the_closest_passages_and_what_to_try(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says("Not in these documents.")
    at = ask(start(), "Who built the bridge?")
    assert TEXTS["en"]["refused"] in texts(at) and TEXTS["en"]["refused.try"] in texts(at)
    assert keys(at, "close-")
    press(at, keys(at, "close-")[0])
    assert "of 2" in texts(at)


def test_text_of_a_model_or_a_document_is_no_markup(tmp_path: Path, says: Callable[..., ScriptedModel]) -> None:
    filled(tmp_path, ["<img src=x> :red[a].pdf"])
    says(f'{NASTY} [1: "opened in 1884"]')
    at = ask(start(), NASTY)
    press(at, keys(at, "cite-")[0])
    drawn = texts(at) + "".join(button.label for button in at.button)
    for bad in (r"!\[x\]\(", r"(?<!\\)<b>", r"(?<!\\)<img", r":red\[", r"\]\(http"):
        assert re.search(bad, drawn) is None, bad


def test_an_error_is_a_sentence_and_what_came_is_kept(library: Library, says: Callable[..., ScriptedModel]) -> None:
    says("It was opened in 1884 and then", fails={1: ModelTimeout(url="http://h", seconds=3)}, pieces=4)
    at = ask(start(lang="zh"), "When?")
    assert "It was opened in" in texts(at)
    assert "3 秒没有应答" in texts(at).replace("\\", "")


def test_a_conversation_is_found_again_listed_and_deleted(library: Library, says: Callable[..., ScriptedModel]) -> None:
    says("In 1884 [1].")
    id = conversation(ask(start(), "Say when it was opened"))
    again = start(c=id)
    assert "Say when it was opened" in texts(again)
    other = start()
    assert "Say when it was opened" not in texts(other)
    assert keys(other, "open-") == [f"open-{id}"]
    press(other, f"forget-{id}")
    assert not keys(other, "open-")
    assert "Say when it was opened" not in texts(start(c=id))


@pytest.mark.parametrize("id", ["x", "../../etc/passwd", "a" * 22, "'; DROP TABLE entries; --", "a" * 5000])
def test_an_id_that_is_none_begins_a_new_conversation(id: str, library: Library) -> None:
    at = start(c=id)
    assert TEXTS["en"]["ask.start"] in texts(at)


def test_a_reload_in_the_middle_goes_on_and_a_stop_keeps_what_came(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    gate = threading.Event()
    model = says("First words then more words", gate=gate)
    at = AppTest.from_file(str(MAIN), default_timeout=4)
    at.run(timeout=60)
    with pytest.raises(RuntimeError, match="timed out"):  # the screen follows an answer that does not end
        at.chat_input(key="question").set_value("When?").run()
    store = Conversations(load_settings().data)
    (listed,) = store.listed()
    job = cached_resources.jobs().get(listed.id)
    assert job is not None and job.running
    job.stop()
    gate.set()
    job.join(10)
    assert model.cut == 1
    at = start(c=listed.id)
    assert "First" in texts(at) and TEXTS["en"]["ask.stopped"] in texts(at)


def test_an_answer_that_comes_while_the_page_is_drawn_is_on_it(
    library: Library, says: Callable[..., ScriptedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    says("It was opened in 1884 [1].")
    read = Conversations.entries

    def slow(self: Conversations, id: str) -> list[Entry]:
        found = read(self, id)
        job = cached_resources.jobs().get(id)
        if job is not None:
            job.join(20)  # the answer is there now, and not in what was read
        return found

    monkeypatch.setattr(Conversations, "entries", slow)
    assert "It was opened in 1884" in texts(ask(start(), "When?"))


def test_answers_from_a_removed_document_stay_and_its_pages_are_said_to_be_gone(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says('It was opened in 1884 [1: "opened in 1884"].')
    at = ask(start(), "When?")
    library.remove(library.records()[0].id)
    at = start(c=conversation(at))
    assert "It was opened in 1884" in texts(at)
    press(at, keys(at, "cite-")[0])
    assert TEXTS["en"]["source.gone"] in texts(at)


def test_the_documents_that_are_chosen_are_the_ones_asked(tmp_path: Path, says: Callable[..., ScriptedModel]) -> None:
    opened = filled(tmp_path, ["a.pdf", "b.pdf"])
    chosen = next(record.id for record in opened.records() if record.name == "b.pdf")
    says("In 1884 [1].")
    at = start()
    at.multiselect(key="documents").set_value([chosen]).run()
    ask(at, "When was the bridge opened?")
    (entry,) = Conversations(load_settings().data).entries(conversation(at))
    assert entry.documents == (chosen,)
    assert entry.answer is not None and {source.passage.document for source in entry.answer.sources} == {chosen}


def test_only_the_pages_and_years_that_were_entered_are_asked(
    tmp_path: Path, says: Callable[..., ScriptedModel]
) -> None:
    filled(tmp_path, ["bridge-2019.pdf", "bridge-2021.pdf"])
    says("In 1884 [1].")
    at = start()
    at.number_input(key="since").set_value(2021)
    at.number_input(key="last_page").set_value(1).run()
    ask(at, "When was the bridge opened?")
    (entry,) = Conversations(load_settings().data).entries(conversation(at))
    assert entry.scope == Scope((1, 1), 2021)
    assert entry.answer is not None
    found = {(source.passage.name, source.passage.page) for source in entry.answer.sources}
    assert found == {("bridge-2021.pdf", 1)}
    assert "pages 1" in texts(at) and "years 2021–" in texts(at)
    at.number_input(key="since").set_value(1990)
    at.number_input(key="until").set_value(1980).run()  # turned round
    ask(at, "When was the bridge opened?")
    entry = Conversations(load_settings().data).entries(conversation(at))[-1]
    assert entry.scope == Scope((1, 1), 1980, 1990) and entry.answer is not None and not entry.answer.sources


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_ways_to_ask_are_kept_with_the_question_and_used_again(
    lang: str, library: Library, says: Callable[..., ScriptedModel]
) -> None:
    words = TEXTS[lang]  # type: ignore[index]

    def told(prompt: Prompt) -> str:
        return ("<reasoning>It is *plain* [9].</reasoning>" if prompt.reasoning else "") + any_role(prompt)

    model = says(told)
    at = start(lang=lang)
    at.toggle(key="way-think").set_value(True)
    at.toggle(key="way-step_back").set_value(True).run()
    ask(at, "When was the bridge opened?")
    chosen = f"{words['ways.step_back']} · {words['ways.think']}"
    assert f"**{chosen}**" in at.sidebar.expander(key="ways").label and chosen in texts(at)
    for name in ("think", "step_back"):  # what is chosen later is for later questions
        at.toggle(key=f"way-{name}").set_value(False).run()
    model.prompts.clear()
    press(at, keys(at, "again-")[0])
    assert [prompt.role for prompt in model.prompts] == ["broaden", "answer"] and model.prompts[1].reasoning
    model.prompts.clear()
    press(at, keys(at, "compare-")[0])
    assert [prompt.role for prompt in model.prompts].count("broaden") == 1
    assert all(prompt.reasoning for prompt in model.prompts if prompt.role in ("answer", "refine", "rerank", "reduce"))
    for shown in (at, start(lang=lang, c=conversation(at))):
        folded = [one for one in shown.expander if one.label == words["answer.reasoning"]]
        assert len(folded) == 6 and all("It is" in folded[0].markdown[0].value for one in folded)  # two, and four
        assert words["step.broader.none"] in texts(shown) and words["step.reasoned"] in texts(shown)
    entries = Conversations(load_settings().data).entries(conversation(at))
    assert {entry.ways for entry in entries} == {Ways(step_back=True, think=True)}
    ask(at, "When was the bridge opened?")
    assert not model.prompts[-1].reasoning


def test_examples_are_taken_from_a_file_named_where_they_are_wrong_and_dropped(
    library: Library, says: Callable[..., ScriptedModel], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = says(any_role)
    at = start()
    at.file_uploader(key="way-examples-0").set_value(("bad.jsonl", b'{"question": "Who?"}', "application/json")).run()
    (error,) = at.error
    assert "bad\\.jsonl" in str(error.value) and "line 1" in str(error.value)
    good = b'{"question": "When was the bridge built?", "answer": "In 1884."}\n{"question": "Who?", "answer": "Holm."}'
    at.file_uploader(key="way-examples-1").set_value(("good.jsonl", good, "application/json")).run()
    assert not at.exception and not at.error and "2 examples" in texts(at)
    ask(at, "When was the bridge opened?")
    assert [example.answer for example in model.prompts[-1].examples] == ["In 1884.", "Holm."]
    press(at, "examples-drop")
    ask(at, "When was the bridge opened?")
    assert not model.prompts[-1].examples and "2 examples" in texts(at)  # with the first question
    (tmp_path / "e.toml").write_text('[[example]]\nquestion = "Who?"\nanswer = "Holm."\n')
    monkeypatch.setenv("PAGEWISE_EXAMPLES", str(tmp_path / "e.toml"))
    ask(start(), "When was the bridge opened?")
    assert [example.answer for example in model.prompts[-1].examples] == ["Holm."]
    (tmp_path / "e.toml").unlink()
    assert "e\\.toml" in str(start().error[0].value)
