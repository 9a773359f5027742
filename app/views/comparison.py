"""One question and the answers of all chains beside one another."""

from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import safe_text
from app.background_jobs import Job
from app.conversations import Entry
from app.cost_text import cost_text, tokens_text
from app.i18n import Words
from app.question_job import Told
from app.session import Desk, Opened, show
from app.views import answer
from app.views.stream_view import Writing
from chains.compare import NAMES, Of
from chains.events import Answer, Step
from chains.grounding.agreement import Agreement, CitedPage, agreement


def draw(desk: Desk, entry: Entry, running: Job[Told] | None) -> DeltaGenerator | None:
    """The entry. One that is being answered leaves a place for `follow`, which is returned."""
    words = desk.words
    answer.question(words, entry)
    with st.chat_message("assistant", avatar=":material/view_column:"):
        if running is not None:
            return st.container(key=f"live-{entry.id}")
        for column, part in zip(_columns(entry.id, len(entry.parts)), entry.parts, strict=True):
            with column:
                _part(desk, part)
        # One that broke off is kept with its error beside it, and is not compared.
        answers = [part.answer for part in entry.parts if part.answer is not None and part.problem is None]
        if answers and all(one.refused for one in answers):
            answer.closest(desk, entry, answers[0])
        elif answers:
            with st.container(key=f"agree-{entry.id}", gap="xxsmall"):
                _agreement(desk, entry, agreement(answers))
                cited = {citation.n for one in answers for citation in one.citations}
                answer.sources(desk, entry, answers[0].sources, cited)
        answer.ending(words, entry)
        with answer.actions(desk, entry):
            answer.copy(words, entry, for_clipboard(words, answers))
    return None


def follow(desk: Desk, job: Job[Told], spot: DeltaGenerator) -> None:
    """Draw all chains' events as they come, until the job is over. A click ends this run of the script, not the job."""
    words = desk.words
    with spot:
        common = st.empty()
        places = {}
        for name, column in zip(NAMES, _columns("live", len(NAMES)), strict=True):
            with column:
                _head(words, name)
                places[name] = (st.empty(), st.empty())
    line = words("ask.starting")
    writing = {name: Writing() for name in NAMES}
    for new in job.follow():
        for event in new:
            if isinstance(event, Step):
                line = answer.step_line(words, event)
            elif isinstance(event, Of):
                writing[event.chain].add(event.event)
                if isinstance(event.event, Step):
                    places[event.chain][0].caption(answer.step_line(words, event.event))
        for name in {event.chain for event in new if isinstance(event, Of)}:
            if shown := writing[name].shown:
                places[name][1].markdown(safe_text.answer(shown, lambda n, at: "#cite-"))
        common.caption(line)  # in every turn: a place where a stop takes effect


def _columns(key: str, count: int) -> list[DeltaGenerator]:
    """Beside one another where there is room, else one below the other."""
    with st.container(key=f"chains-{key}"):
        return list(st.columns(count, gap="medium")) if count else []


def _head(words: Words, chain: str) -> None:
    st.markdown(f"**{safe_text.inline(words(f'chain.{chain}'))}**")


def _part(desk: Desk, part: Entry) -> None:
    words, one = desk.words, part.answer
    _head(words, part.chain)
    if one is not None:
        if one.refused:
            st.markdown(words("refused"))
        else:
            answer.text(desk, part, one)
        facts = [words.count("compare.facts", one.calls, seconds=f"{one.seconds:.1f}")]
        used = one.usage
        if used.input_tokens or used.output_tokens:
            facts.append(tokens_text(words, used))
            facts.append(safe_text.inline(cost_text(words, one.cost)))
        st.caption(" · ".join(facts))
        answer.steps(desk, part, one)
        answer.reasoning(desk, part, one)
    answer.ending(words, part)


def _agreement(desk: Desk, entry: Entry, found: Agreement) -> None:
    words = desk.words
    st.markdown(f"**{words('compare.agree')}**")
    if found.share is None:
        st.caption(words("compare.few"))
    else:
        for line in agreement_lines(words, found):
            st.markdown(line)
    for i, page in enumerate(found.pages):
        st.button(
            f"{safe_text.inline(page.name, 60)} · {words('page.short', page=page.page)} · "
            + words("compare.cited", n=len(page.chains), total=len(found.chains)),
            key=f"agreed-{entry.id}-{i}",
            type="tertiary",
            help=safe_text.inline(", ".join(words(f"chain.{chain}") for chain in page.chains)),
            on_click=partial(show, _opened(entry, page)),
        )


def agreement_lines(words: Words, found: Agreement) -> list[str]:
    """What the answers have in common, and what not, as Markdown."""
    names = {chain: safe_text.inline(words(f"chain.{chain}")) for chain in found.chains}
    lines = [words("compare.words", share=f"{found.share or 0:.0%}")]
    same = [pair.chains for pair in found.pairs if pair.same]
    if len(same) == len(found.pairs):
        lines.append(words("compare.same.all", chains=words("compare.and").join(names.values())))
    elif not same:
        lines.append(words("compare.same.none"))
    else:
        pairs = [words("compare.pair", a=names[a], b=names[b]) for a, b in same]
        lines.append(words("compare.same", pairs=words("compare.and").join(pairs)))
    if found.shared:
        lines.append(words("compare.figures.all", figures=safe_text.inline(words("compare.and").join(found.shared))))
    for chain in found.chains:
        own = [figure for figure, holder in found.single if holder == chain]
        if own:
            figures = safe_text.inline(words("compare.and").join(own))
            lines.append(words("compare.figures.one", chain=names[chain], figures=figures))
    return lines


def _opened(entry: Entry, page: CitedPage) -> Opened:
    """The page with all that is quoted from it."""
    quotes = [
        quoted
        for part in entry.parts
        if part.answer
        for citation in part.answer.citations
        if (citation.document, citation.page) == (page.document, page.page)
        for quoted in answer.quoted(citation)
    ]
    return Opened(page.document, page.name, page.page, tuple(dict.fromkeys(quotes)))


def for_clipboard(words: Words, answers: list[Answer]) -> str:
    """All answers with their sources, as plain text."""
    told = [(one, answer.for_clipboard(words, one)) for one in answers]
    return "\n\n".join(f"{words(f'chain.{one.chain}')}\n{said}" for one, said in told if said)
