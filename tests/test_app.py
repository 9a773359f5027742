"""The app's pages, run without a browser: what is drawn, and what a click does."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import intake, resources, wiring
from app.conversations import Conversations, Entry
from app.i18n import TEXTS, Words
from app.jobs import Job
from app.views import safe
from chains.compare import NAMES as CHAINS
from chains.errors import ModelTimeout
from chains.prompts import Prompt
from chains.refusal import NOT_FOUND
from chains.retrieve import Scope
from chains.ways import Ways
from ingest.document import Line, Page, with_duplicates
from ingest.library import Library
from ingest.load import Limits
from ingest.pipeline import Progress, Result, Upload, ingest
from settings import Settings, load_settings
from tests.books import make_book
from tests.fakes import HashingEmbedder, ScriptedModel
from tests.pdfs import encrypted_pdf, make_pdf

MAIN = Path(__file__).parent.parent / "app" / "main.py"
BRIDGE = "The bridge was opened in 1884. It crosses the river near the old mill."
NASTY = "![x](http://evil.example/leak) <b>bold</b> $x$ :red[no] [a](http://evil.example)"


@pytest.fixture(autouse=True)
def _own_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(wiring, "embedder", lambda settings: HashingEmbedder())
    yield
    for name in ("jobs",):
        for job in list(getattr(resources, name)()._jobs.values()):
            job.stop()
            job.join(10)
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedModel]:
    def use(reply: Callable[[Prompt], str] | str, **how: object) -> ScriptedModel:
        model = ScriptedModel(reply if callable(reply) else lambda prompt: reply, **how)  # type: ignore[arg-type]
        monkeypatch.setattr(wiring, "model", lambda settings, embedder: model)
        return model

    return use


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """The app's own, with one document in it."""
    return filled(tmp_path, ["bridge.pdf"])


def filled(tmp_path: Path, names: Sequence[str]) -> Library:
    opened = resources.library(load_settings())
    files = [
        Upload(name, make_pdf(tmp_path / f"{i}.pdf", [BRIDGE, f"Page two of {i}."])) for i, name in enumerate(names)
    ]
    results = [event for event in ingest(files, opened, Limits()) if isinstance(event, Result)]
    assert [result.status for result in results] == ["added"] * len(names)
    return opened


def start(**query: str) -> AppTest:
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def texts(at: AppTest) -> str:
    drawn = [*at.markdown, *at.caption, *at.error, *at.info, *at.warning, *at.success, *at.title, *at.header]
    return "\n".join(str(element.value) for element in drawn)


def ask(at: AppTest, question: str) -> AppTest:
    at.chat_input(key="question").set_value(question).run()
    assert not at.exception
    return at


def keys(at: AppTest, start: str) -> list[str]:
    return [button.key for button in at.button if button.key and button.key.startswith(start)]


def conversation(at: AppTest) -> str:
    id = at.query_params["c"]
    return str(id if isinstance(id, str) else id[0])


def pictures(at: AppTest) -> int:
    return len(at.image)


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    assert not at.exception
    return at


# --- first visit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_first_visitor_sees_what_it_is_what_to_do_and_where_text_goes(lang: str) -> None:
    at = start(lang=lang)
    words = TEXTS[lang]  # type: ignore[index]
    assert words["app.purpose"] in texts(at)
    assert words["privacy.machine"] in texts(at)
    assert at.button(key="sample").label == words["first.sample"]
    assert len(at.get("file_uploader")) == 1
    assert not at.chat_input


def test_the_sample_can_be_added_and_is_asked_about(says: Callable[..., ScriptedModel]) -> None:
    says("It looks up each quote on its page [1].")
    at = press(start(), "sample")
    assert keys(at, "sample-question-")
    press(at, "sample-question-1")
    assert "It looks up each quote on its page" in texts(at)


def test_a_locked_file_asks_for_its_password(tmp_path: Path) -> None:
    file = encrypted_pdf(tmp_path / "0.pdf", [BRIDGE], "sesame")
    place = tmp_path / "place"
    place.mkdir()
    copy = file.rename(place / f"0-{hashlib.sha256(file.read_bytes()).hexdigest()[:32]}.pdf")
    uploads, opened = [Upload("locked.pdf", copy)], resources.library(load_settings())
    job: Job[Progress | Result] = Job(lambda: intake.take_in(uploads, opened, Limits(), temporary=True))
    job.join(60)
    at = start()
    at.session_state["intake"] = (job, uploads)
    at.run()
    field = at.text_input(key=f"password-{copy.stem}")
    assert not at.exception and "protected with a password" in texts(at) and "locked" in field.label
    field.set_value("sesame")
    at.button[[button.label for button in at.button].index("Open")].click().run()
    at.session_state["intake"][0].join(60)
    at.run()
    assert not at.exception and "pdf: added" in texts(at)
    assert [record.name for record in opened.records()] == ["locked.pdf"] and not place.exists()


def test_a_setting_that_is_wrong_is_said_and_no_page_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_CHIAN", "stuff")
    at = start()
    assert "PAGEWISE\\_CHAIN" in texts(at)
    monkeypatch.delenv("PAGEWISE_CHIAN")
    press(at, "retry")
    assert keys(at, "sample") == ["sample"]


def test_a_library_that_cannot_be_shared_is_said_with_a_way_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.owner.POSSIBLE", False)  # a system without sockets in the file system
    with Library(load_settings().data, HashingEmbedder()) as other:
        at = start()
        assert "chroma run" in texts(at)
        assert keys(at, "retry") == ["retry"]
        other.close()
        press(at, "retry")
    assert keys(at, "sample") == ["sample"]


# --- asking -----------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_sentence_without_a_source_has_a_sign_and_near_quotes_are_counted_apart(
    lang: str, library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says("The bridge was opened in 1884 [1]. **It was a bridge near the mill [1].** The moon is green. So it is [1].")
    at = ask(start(lang=lang), "When was the bridge opened?")
    words = Words(lang)  # type: ignore[arg-type]
    drawn = texts(at)
    assert f"The moon is green\\. {safe.SIGN} So it is" in drawn and drawn.count(safe.SIGN) == 2  # there, and below
    assert f"{safe.SIGN} {words.count('answer.unsourced', 1)}" in drawn
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
    job = resources.jobs().get(listed.id)
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
        job = resources.jobs().get(id)
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


# --- all chains side by side ------------------------------------------------------------------------------------------


def any_role(prompt: Prompt) -> str:
    year = 1885 if prompt.role == "rerank" else 1884
    return f'It was opened in {year} [1: "opened in 1884"].' + ("\nScore: 90" if prompt.role == "rerank" else "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_question_is_compared_by_all_chains_and_kept_over_a_reload(
    lang: str, library: Library, says: Callable[..., ScriptedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEWISE_RERANK", "answer")  # so that one chain says something else
    says(any_role, parallel=4)
    words = TEXTS[lang]  # type: ignore[index]
    at = ask(start(lang=lang), "When was the bridge opened?")
    press(at, keys(at, "compare-")[0])
    for shown in (at, start(lang=lang, c=conversation(at))):
        for chain in CHAINS:
            assert words[f"chain.{chain}"].replace("_", "\\_") in texts(shown)
            (mark,) = [key for key in keys(shown, "cite-") if f"-{chain}-" in key]
            assert f"(#{mark})" in texts(shown)
        verified = f":material/check_circle: {words['answer.quotes.one'].format(done=1, n=1)}"
        assert texts(shown).count(verified) == 5  # the answer, and four beside it
        assert words["compare.agree"] in texts(shown)
        assert words["compare.figures.all"].partition("{")[0] not in texts(shown)
        only = words["compare.figures.one"].format(chain=words["chain.map_rerank"].replace("_", "\\_"), figures="1885")
        assert only in texts(shown)
        (page,) = keys(shown, "agreed-")
        assert words["compare.cited"].format(n=4, total=4) in shown.button(key=page).label
    store = Conversations(load_settings().data)
    asked, compared = store.entries(conversation(at))
    assert (compared.kind, compared.asked, asked.kind) == ("compare", asked.asked, "question")
    assert [part.chain for part in compared.parts] == list(CHAINS)
    assert len({part.answer.sources for part in compared.parts if part.answer}) == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_all_chains_refuse_the_closest_passages_stand_below_them_once(
    lang: str, library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says(lambda prompt: "Score: 0" if prompt.role == "score" else NOT_FOUND["en"])
    words = Words(lang)  # type: ignore[arg-type]
    at = ask(start(lang=lang), "Who lives on the moon?")
    press(at, keys(at, "compare-")[0])
    assert texts(at).count(words("refused.closest")) == 2  # of the answer, and of the comparison
    assert words("compare.words", share="0%") not in texts(at)
    press(at, keys(at, "close-")[-1])
    assert pictures(at) == 1


def test_the_marks_of_a_comparison_open_their_page(library: Library, says: Callable[..., ScriptedModel]) -> None:
    says(any_role)
    at = ask(start(), "When was the bridge opened?")
    press(at, keys(at, "compare-")[0])
    (mark,) = [key for key in keys(at, "cite-") if "-refine-" in key]
    press(at, mark)
    assert "page 1 of 2" in texts(at) and pictures(at) == 1
    press(at, "source-close")
    assert not pictures(at)
    press(at, keys(at, "agreed-")[0])
    assert pictures(at) == 1
    press(at, [key for key in keys(at, "again-")][-1])
    kinds = [entry.kind for entry in Conversations(load_settings().data).entries(conversation(at))]
    assert kinds == ["question", "compare", "compare"]


def test_a_chain_that_fails_leaves_the_others_on_the_screen(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says(any_role, fails={2: ModelTimeout(url="http://h", seconds=3)})  # the first call is the question's own answer
    at = ask(start(), "When was the bridge opened?")
    press(at, keys(at, "compare-")[0])
    for shown in (at, start(c=conversation(at))):
        (error,) = shown.error
        assert "http" in str(error.value) and "3 seconds" in str(error.value)
        assert len([key for key in keys(shown, "cite-") if re.search("-(map_reduce|refine|map_rerank)-", key)]) == 3
        assert "cited by 3 of 3" in shown.button(key=keys(shown, "agreed-")[0]).label


def test_a_stopped_comparison_keeps_what_is_whole_and_what_came(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    model = says(any_role)
    at = ask(start(), "When was the bridge opened?")
    gate = model._gate = threading.Event()
    late = AppTest.from_file(str(MAIN), default_timeout=4)
    late.query_params["c"] = conversation(at)
    late.run(timeout=60)
    with pytest.raises(RuntimeError, match="timed out"):  # the screen follows an answer that does not end
        late.button(key=keys(late, "compare-")[0]).click().run()
    job = resources.jobs().get(conversation(at))
    assert job is not None and job.running
    job.stop()
    gate.set()
    job.join(10)
    again = start(c=conversation(at))
    assert texts(again).count(TEXTS["en"]["ask.stopped"]) == 4 and "It" in texts(again)
    assert TEXTS["en"]["compare.few"] in texts(again)


# --- the library and the settings -------------------------------------------------------------------------------------


def page(at: AppTest, name: str) -> AppTest:
    at.switch_page(name).run()
    assert not at.exception
    return at


def draw_library(language: str) -> None:
    """The library's page alone, as a script of its own."""
    from app import resources
    from app.i18n import Words
    from app.screens import library
    from app.session import Desk
    from settings import load_settings

    settings = load_settings()
    conversations = resources.conversations(str(settings.data))
    desk = Desk(settings, Words(language), resources.library(settings), conversations, resources.jobs())  # type: ignore[arg-type]
    library.draw(desk, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "state"),
    [
        ("en", "2 pages without text: 2–3 · 1 of them garbled"),
        ("en", "1 page read by text recognition · 1 page repeats another"),
        ("zh", "2 页没有文字：2–3 · 其中 1 页是乱码"),
        ("zh", "1 页由文字识别读出 · 1 页与另一页内容相同"),
    ],
)
def test_the_library_says_what_became_of_a_documents_pages(language: str, state: str, tmp_path: Path) -> None:
    opened = resources.library(load_settings())
    book = make_book(tmp_path, "scan.pdf", ["Read from a picture.", "", "", "read from a picture."], opened.embedder)
    recognised, _, _, repeats = with_duplicates(book.document.pages)
    pages = (
        replace(recognised, lines=(Line(0, (0.1, 0.1, 0.5, 0.2)),)),
        Page(2, "2", "", "picture only"),
        Page(3, "3", "", "garbled: its fonts name the wrong letters"),
        repeats,
    )
    replace(book, document=replace(book.document, pages=pages)).put(opened)
    at = AppTest.from_function(draw_library, kwargs={"language": language}, default_timeout=60).run()
    assert not at.exception
    told = [element.value for element in at.markdown]
    assert any(state in line for line in told), told


def test_what_a_tab_enters_is_not_in_another_tab_nor_on_the_disk(
    library: Library, monkeypatch: pytest.MonkeyPatch, says: Callable[..., ScriptedModel]
) -> None:
    seen: list[Settings] = []
    model = says("In 1884 [1].")

    def opened(settings: Settings, embedder: object) -> ScriptedModel:
        seen.append(settings)
        return model

    monkeypatch.setattr(wiring, "model", opened)
    at = start()
    at.session_state["own"] = resources_own("openai:mine", "http://127.0.0.1:9/v1", "planted-key-1234")
    at.session_state["chosen"] = "openai:mine"  # as the settings page leaves it
    at.run()
    ask(at, "When?")
    assert seen[-1].api_key.get_secret_value() == "planted-key-1234" and seen[-1].model == "openai:mine"
    other = start()
    assert "openai:mine" not in other.selectbox(key="model").options
    ask(other, "When?")
    assert seen[-1].api_key.get_secret_value() == "" and seen[-1].model == "extractive"
    for file in load_settings().data.rglob("*"):
        assert not file.is_file() or b"planted-key" not in file.read_bytes()
    assert all("planted-key" not in str(value) for value in at.query_params.values())


def resources_own(spec: str, base: str, key: str) -> object:
    from app.choices import Own

    return Own(spec, base, key)


def test_where_text_goes_is_said_before_it_goes(library: Library) -> None:
    at = start()
    at.session_state["own"] = resources_own("openai:mine", "https://models.example/v1", "k")
    at.session_state["chosen"] = "openai:mine"  # as the settings page leaves it
    at.run()
    assert "models\\.example" in texts(at)
    assert TEXTS["en"]["privacy.machine"] not in texts(at)


def test_the_language_changes_and_nothing_that_was_chosen_is_lost(library: Library) -> None:
    at = start()
    at.selectbox(key="chain").select("refine").run()
    at.session_state["language"] = "zh"
    at.run()
    assert TEXTS["zh"]["ask.start"] in texts(at)
    assert at.selectbox(key="chain").value == "refine"
    at.session_state["language"] = None  # what the widget gives while pages change
    at.run()
    assert not at.exception and TEXTS["en"]["ask.start"] in texts(at)
