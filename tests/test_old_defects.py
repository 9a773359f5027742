"""The defects of LangChain's old chains, each by name, shown to be gone from ours (seen in langchain-classic 1.0.8)."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.answer import CHAINS, Asked, answer_from, ask
from chains.events import Answer, Step, Token, Trial
from chains.grounding import citations
from chains.grounding.refusal import NOT_FOUND
from chains.prompt import Prompt, Task
from chains.prompting.render import render
from chains.strategies import refine
from ingest.store.library import Library
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.sources import QUESTION, SUMMARY, by_role, note, run, seen, source, sources, steps, text, told, words

QUESTIONS = [chain.name for chain in CHAINS.values() if "question" in chain.tasks]
RERANK = replace(QUESTION, rerank="answer")  # as the old chain did: an answer and a score in one reply


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    embedder = HashingEmbedder(window=40)
    with Library(folder / "data", embedder) as library:
        make_book(folder, "lakes.pdf", ["Lake Alpha is blue.", "Lake Beta is green."], embedder).put(library)
        yield library


def answered(model: ScriptedModel, chain: str, *texts: str) -> Answer:
    """The last event of a chain over these sources."""
    *_, last = answer_from(Asked(QUESTION.question, QUESTION, tuple(sources(*texts))), model, chain)
    assert isinstance(last, Answer)
    return last


def votes(*replies: str) -> list[Step | Token | Trial]:
    model = ScriptedModel(lambda p: replies[p.sources[0].n - 1], parallel=len(replies))
    return run("map_rerank", RERANK, sources(*["Blue water."] * len(replies)), model)


# ---- all chains


@pytest.mark.parametrize("chain", QUESTIONS)
def test_page_and_source_reach_the_model(chain: str) -> None:
    """Old: the text alone was put into the prompt."""
    model = ScriptedModel(told)
    run(chain, QUESTION, [source(1, "Blue water.", page=17, name="lakes.pdf", heading="Water › Colour")], model)
    said = render(model.prompts[0]).user
    assert 'n="1"' in said and 'document="lakes.pdf"' in said and 'page="17"' in said and "Water › Colour" in said


@pytest.mark.parametrize("chain", QUESTIONS)
def test_streaming_gives_many_pieces(chain: str) -> None:
    """Old: `.stream()` gave the whole answer as one chunk."""
    reply = f"It is blue [1]. {words(60)}"
    model = ScriptedModel(by_role(answer=reply, map=note, reduce=reply, refine=reply, score="Score: 90"))
    events = run(chain, QUESTION, sources("Blue water.", "Deep water."), model)
    assert sum(isinstance(event, Token) for event in events) > 20


@pytest.mark.parametrize("chain", QUESTIONS)
def test_no_documents_is_a_refusal_without_a_call(chain: str, library: Library) -> None:
    """Old: two chains called the model anyway, two raised IndexError."""
    model = ScriptedModel(told)
    *_, last = ask("Which lake is green?", library, model, chain=chain, documents=[])
    assert isinstance(last, Answer) and last.refused and last.error is None and model.calls == 0


@pytest.mark.parametrize("chain", QUESTIONS)
def test_an_answer_with_the_word_sources_in_it_stays_whole(chain: str) -> None:
    """Old: "It is open source: MIT.\\nSOURCES: 3" became "It is open "."""
    reply = "It is open source: MIT [1].\nSOURCES: 3"
    model = ScriptedModel(by_role(answer=reply, map=reply, reduce=reply, refine=reply, score="Score: 90"))
    assert answered(model, chain, "Blue water.").text == reply


@pytest.mark.parametrize("chain", QUESTIONS)
def test_counting_is_linear(chain: str) -> None:
    """Old: 40,000 tokens of sources were tokenised as 680,000. Here: what grows fourfold is counted fourfold."""

    def counted(n: int) -> int:
        model = ScriptedModel(told, 4_000)
        run(chain, QUESTION, sources(*[words(310)] * n), model)
        return model.counted

    assert counted(128) < 4.5 * counted(32)


# ---- stuff


def test_stuff_counts() -> None:
    """Old: 400,000 characters went out, whatever the window. The scripted model raises for a prompt above it."""
    model = ScriptedModel(told, context=4_000)
    events = run("stuff", QUESTION, sources(*[words(500)] * 150), model)
    (cut,) = steps(events, "cut")
    assert model.calls == 1 and 1 <= len(seen(model)) == cut.done < cut.total == 150


# ---- map_rerank


@pytest.mark.parametrize("written", ["Score:90", "**Score: 90**", "得分：90", "Score: 9/10", "90"])
def test_map_rerank_reads_a_score_however_it_is_written(written: str) -> None:
    """Old: raised ValueError for each of these."""
    assert text(votes("Red [1].\nScore: 20", f"Blue [2].\n{written}")) == "Blue [2]."


def test_map_rerank_reads_eight_of_ten() -> None:
    events = votes("Red [1].\nScore: 70/100", "Blue [2].\n8/10")
    assert text(events) == "Blue [2]." and {step.text for step in steps(events, "scored")} == {"70", "80"}


def test_map_rerank_takes_a_score_that_is_none_as_one_vote_lost() -> None:
    """Old: "N/A" raised."""
    events = votes("Red [1].\nScore: N/A", "Blue [2].\nScore: 50")
    assert text(events) == "Blue [2]." and len(steps(events, "lost")) == 1


def test_map_rerank_keeps_all_lines_of_an_answer() -> None:
    """Old: only the last line was kept."""
    answer = "It is blue [1].\n\n- deep [1]\n- cold [1]"
    assert text(votes(f"{answer}\nScore: 90")) == answer


def test_map_rerank_refuses_a_score_of_999999() -> None:
    """Old: it won."""
    assert text(votes("Red [1].\nScore: 999999", "Blue [2].\nScore: 50")) == "Blue [2]."


@pytest.mark.parametrize("task", [QUESTION, RERANK])
@pytest.mark.parametrize("bad", ["", "I'd rather not.", "{", "Score: high"])
def test_map_rerank_loses_one_vote_for_one_bad_reply_of_many(bad: str, task: Task) -> None:
    """Old: one bad reply of N lost the query."""

    def reply(prompt: Prompt) -> str:
        n = prompt.sources[0].n
        if prompt.role == "answer":
            return f"Blue [{n}]."
        return bad if n == 3 else f"Blue [{n}].\nScore: {50 + n}"

    events = run("map_rerank", task, sources(*["Blue water."] * 8), ScriptedModel(reply))
    assert text(events) == "Blue [8]." and len(steps(events, "lost")) == 1 and len(steps(events, "scored")) == 7


# ---- map_reduce


def test_map_reduce_takes_long_outputs() -> None:
    """Old: raised after all maps were paid when one output had more than 3,000 tokens."""
    model = ScriptedModel(
        by_role(map=lambda p: f"{words(4_000)} [{p.sources[0].n}].", reduce="Blue [1]."), 3_000, obeys=False
    )
    assert text(run("map_reduce", QUESTION, sources("Blue water.", "Deep water."), model)) == "Blue [1]."


@pytest.mark.parametrize("task", [QUESTION, SUMMARY])
def test_map_reduce_never_loops(task: Task) -> None:
    """Old: 2,000 calls and more where a collapse did not shrink. Here: no more than announced, which is below 2N."""
    model = ScriptedModel(lambda p: words(2_000) + " [1].", 1_000, parallel=4, obeys=False)
    given = sources(*["Blue water."] * 64)
    run("map_reduce", task, given, model)
    assert model.calls <= CHAINS["map_reduce"].calls(task, given, ScriptedModel(told, 1_000)) < 2 * 64


def test_map_reduce_maps_in_parallel() -> None:
    """Old: one after the other, 1.81 s for what takes 0.61 s. Here: the first eight calls wait until all eight run."""
    together = threading.Barrier(8)

    def reply(prompt: Prompt) -> str:
        if prompt.role == "map":
            together.wait(20)
        return told(prompt)

    model = ScriptedModel(reply, parallel=8)
    run("map_reduce", QUESTION, sources(*["Blue water."] * 8), model)
    assert model.most_running == 8


def test_map_reduce_keeps_marks_numbers() -> None:
    """Old: page numbers were joined into the string "1, 2, 3"."""
    answer = answered(ScriptedModel(told), "map_reduce", *["The water is blue."] * 30)
    assert {citation.n for citation in answer.citations} == set(range(1, 31))
    assert all(isinstance(citation.page, int) for citation in answer.citations)
    assert {(citation.n, citation.page) for citation in answer.citations} == {(n, n) for n in range(1, 31)}


# ---- refine


@pytest.mark.parametrize("last", ["I don't know.", NOT_FOUND["en"], "The new sources do not mention the lake."])
def test_refine_keeps_its_answer_when_the_last_reply_is_i_do_not_know(last: str) -> None:
    """Old: it overwrote a right answer."""
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=last))
    assert answered(model, "refine", *["Blue water."] * (2 * refine.BATCH)).text == "It is blue [1]."


# ---- sources are asked for and read in one place


def test_a_mark_leads_to_the_page_of_its_source_whatever_the_model_says_of_pages() -> None:
    """Old: the model's own "SOURCES: page 99" was what the reader got."""
    answer = answered(ScriptedModel(by_role(answer="It is blue, page 99 [2].")), "stuff", "Red.", "Blue water.")
    assert [(citation.n, citation.page) for citation in answer.citations] == [(2, 2)]
    assert {claim.n for claim in citations.read(answer.text, {1, 2}).claims} == {2}
