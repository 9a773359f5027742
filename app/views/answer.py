"""One question and its answer in the conversation."""

from collections.abc import Collection, Sequence
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import safe_text
from app.background_jobs import Job
from app.conversations import Entry
from app.cost_text import cost_text, plan_line, tokens_text
from app.i18n import Words
from app.model_choice import label, scope_text, ways_text
from app.question_job import Told
from app.session import Desk, Opened, Quoted, show
from app.views.stream_view import Writing
from chains.answer import CHAINS
from chains.events import Answer, Citation, Step
from chains.prompt import Source
from ingest.text.normalize import find

KEPT = ("unchanged", "refused", "empty", "sources lost")  # why refine keeps an earlier draft
_SHOWN_SOURCES = 40  # a summary of a book has hundreds


def draw(desk: Desk, entry: Entry, running: Job[Told] | None) -> DeltaGenerator | None:
    """The entry. One that is being answered leaves a place for `follow`, which is returned."""
    words = desk.words
    question(words, entry)
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        if running is not None:
            return st.container(key=f"live-{entry.id}")
        if entry.answer is not None:
            _answer(desk, entry, entry.answer)
        ending(words, entry)
        with actions(desk, entry):
            _other_ways(desk, entry)
            copy(words, entry, for_clipboard(words, entry.answer) if entry.answer and entry.answer.text else "")
    return None


def question(words: Words, entry: Entry) -> None:
    """What was asked, about which pages and years, and in which ways."""
    with st.chat_message("user", avatar=":material/person:"):
        asked = words("ask.summary", name=entry.asked) if entry.kind == "summary" else entry.asked
        st.markdown(safe_text.block(asked))
        if chosen := scope_text(words, entry.scope):
            st.caption(f":material/filter_alt: {chosen}")
        if chosen := ways_text(words, entry.ways):
            st.caption(f":material/alt_route: {chosen}")


def ending(words: Words, entry: Entry) -> None:
    """Why there is no answer, or no more of it, and what there is of it to go on from."""
    if not entry.over:
        st.caption(words("ask.interrupted"))
    read = next((step for step in reversed(entry.steps) if step.name == "read"), None)
    if entry.resumable and entry.answer is not None and read is not None:
        st.caption(words("summary.so_far", done=read.done, total=read.total))
    if entry.problem is not None:
        sentence = words.problem(entry.problem.key, entry.problem.params, entry.problem.text)
        st.error(safe_text.block(sentence), icon=":material/error:")


def follow(desk: Desk, job: Job[Told], spot: DeltaGenerator) -> None:
    """Draw the events as they come, until the job is over. A click ends this run of the script, not the job."""
    words = desk.words
    with spot:
        status = st.status(words("ask.starting"), type="compact")
        body = st.empty()
    writing, level = Writing(), ""
    for new in job.follow():
        for event in new:
            if isinstance(event, Step):
                line = step_line(words, event)
                level = line if event.name == "level" else level
                status.update(label=f"{level} · {line}" if level and event.name in ("read", "joined") else line)
                with status:
                    st.caption(line)
            writing.add(event)
        if shown := writing.shown:
            body.markdown(safe_text.answer(shown, lambda n, at: "#cite-"))
        else:
            body.empty()  # a place where a stop takes effect


def step_line(words: Words, step: Step) -> str:
    """What was done, as Markdown."""
    text = safe_text.inline(step.text, 300)
    if step.name == "best":
        return safe_text.inline(words("step.best", total=step.total, text=step.text))
    if step.name == "scored":
        return safe_text.inline(words("step.scored", n=step.n, text=step.text, done=step.done, total=step.total))
    n = step.total or step.done or len(step.sources)
    if step.name == "planned" and step.plan is not None:
        return words("plan.most", plan=safe_text.inline(plan_line(words, step.plan, step.total), 300))
    if step.name in ("searched", "planned"):
        return words.count(f"step.{step.name}", n)
    if step.name == "verified":
        line = words.count("step.verified", step.total, done=step.done)
        return line + (words("answer.quotes.near", n=text) if text else "")
    if step.name == "kept":
        return words("step.kept", text=words(f"kept.{step.text}") if step.text in KEPT else text)
    if step.name == "quoted":
        return words("step.quoted", text=words(f"language.{step.text}"))
    if step.name == "level" and step.done == step.total:
        return words("step.level.last", total=step.total)
    if step.name == "cut" and not text:
        return words("step.cut.plain", done=step.done, total=step.total)
    if step.name in ("broader", "split", "reasoned") and not text:
        return words(f"step.{step.name}.none")
    if step.name == "split":
        return words("step.split", n=step.total, text=safe_text.inline(step.text, 600))
    return words(f"step.{step.name}", done=step.done, total=step.total, text=text)


def _answer(desk: Desk, entry: Entry, answer: Answer) -> None:
    if answer.refused:
        _refusal(desk, entry, answer)
    else:
        text(desk, entry, answer)
    with st.container(key=f"folded-{entry.id}", gap="xxsmall"):
        steps(desk, entry, answer)
        reasoning(desk, entry, answer)
        if not answer.refused:
            sources(desk, entry, answer.sources, {citation.n for citation in answer.citations})


def text(desk: Desk, entry: Entry, answer: Answer) -> None:
    """The answer's text with its marks, and what they lead to."""
    places = {(citation.n, citation.end): i for i, citation in reversed(list(enumerate(answer.citations)))}

    def href(n: int, at: int) -> str:
        i = places.get((n, at))
        return "" if i is None else f"#{_key(entry, i)}"

    if answer.text:
        unsourced = {end for _, end in answer.unsourced}
        st.markdown(safe_text.answer(answer.text, href, unsourced, spans(answer)))
    if answer.stopped:
        st.caption(f":material/stop_circle: {desk.words('ask.stopped')}")
    for step in entry.steps:
        if step.name == "quoted":
            st.caption(f":material/translate: {step_line(desk.words, step)}")
    _offer(desk, entry)
    _citations(desk, entry, answer)


def spans(answer: Answer) -> list[tuple[int, int]]:
    """Where the words that answer stand in the answer's text, as ranges."""
    places = []
    for citation in answer.citations:
        found = find(citation.span, answer.text[citation.start : citation.end])
        if found:
            places.append((citation.start + found[0], citation.start + found[1]))
    return places


def _offer(desk: Desk, entry: Entry) -> None:
    """What did not fit the model, and the chain that would read it, to be pressed."""
    cut = next((step for step in entry.steps if step.name == "cut" and step.text in CHAINS), None)
    if cut is None:
        return
    words = desk.words
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"cut-{entry.id}"):
        st.caption(f":material/content_cut: {words('step.cut.plain', done=cut.done, total=cut.total)}", width="content")
        st.button(
            words("ask.read_all", chain=words(f"chain.{cut.text}")),
            key=f"read-all-{entry.id}",
            type="tertiary",
            on_click=partial(desk.again, entry, cut.text),
        )


def _refusal(desk: Desk, entry: Entry, answer: Answer) -> None:
    words = desk.words
    st.markdown(f"**{words('refused')}**")
    st.markdown(words("refused.try"))
    _offer(desk, entry)
    closest(desk, entry, answer)


def closest(desk: Desk, entry: Entry, answer: Answer) -> None:
    """The passages that came nearest to an answer."""
    st.caption(desk.words("refused.closest" if answer.sources else "refused.empty"))
    for source in answer.sources[:3]:
        _source(desk, entry, source, "close")


def _citations(desk: Desk, entry: Entry, answer: Answer) -> None:
    words, citations = desk.words, answer.citations
    if citations:
        good = answer.verified
        icon = ":material/check_circle:" if good == len(citations) else ":material/rule:"
        tone = "green" if good == len(citations) else "gray"
        line = words.count("answer.quotes", len(citations), done=good)
        line += words("answer.quotes.near", n=answer.near) if answer.near else ""
        st.markdown(f":{tone}[{icon} {line}]")
        _figures(words, answer)
        opened = desk.opened
        at = citations[opened.citation] if opened and opened.entry == entry.id and opened.citation >= 0 else None
        with st.container(horizontal=True, gap="xsmall", key=f"cites-{entry.id}"):
            seen: set[tuple[int, int]] = set()
            again: list[int] = []
            for i, citation in enumerate(citations):
                place = (citation.n, citation.page)
                if place in seen:
                    again.append(i)
                else:
                    seen.add(place)
                    _mark(desk, entry, i, citation, at is not None and (at.n, at.page) == place)
        # The same page quoted once more: not another button to see, but one for its mark in the text to press.
        with st.container(key=f"same-{entry.id}"):
            for i in again:
                _mark(desk, entry, i, citations[i], False)
    elif answer.text and not answer.stopped:
        st.caption(f":material/rule: {words('answer.no_quotes')}")
        _figures(words, answer)
    if answer.cut:
        st.caption(f":material/content_cut: {words('answer.cut')}")
    if answer.foreign:
        st.caption(f":material/translate: {words('answer.foreign.' + answer.foreign)}")
    if answer.unsourced:
        st.caption(f"{safe_text.SIGN} {words.count('answer.unsourced', len(answer.unsourced))}")
    if answer.dropped:
        st.caption(words.count("answer.dropped", answer.dropped))


def _figures(words: Words, answer: Answer) -> None:
    """Where the answer's figures come from, on one line; nothing for an answer without figures."""
    if not answer.figures:
        return
    line = words("answer.figures", done=answer.found, total=len(answer.figures))
    if answer.computed:
        formulas = safe_text.inline(", ".join(dict.fromkeys(answer.computed)), 300)
        line += words("answer.figures.computed", n=len(answer.computed), formulas=formulas)
    if answer.unsupported:
        line += words("answer.figures.unsupported", figures=safe_text.inline(", ".join(answer.unsupported), 300))
    icon = ":material/warning:" if answer.unsupported else ":material/check_circle:"
    tone = "orange" if answer.unsupported else "green"
    st.markdown(f":{tone}[{icon} {line}]")


def _mark(desk: Desk, entry: Entry, i: int, citation: Citation, chosen: bool) -> None:
    words = desk.words
    st.button(
        words("answer.mark", n=citation.n, page=citation.page),
        key=_key(entry, i),
        help=safe_text.inline(words("answer.mark.help", name=citation.name), 120),
        type="primary" if chosen else "secondary",
        on_click=partial(show, opened_citation(entry, i, citation)),
    )


def opened_citation(entry: Entry, i: int, citation: Citation) -> Opened:
    return Opened(citation.document, citation.name, citation.page, quoted(citation), entry.id, i)


def quoted(citation: Citation) -> tuple[Quoted, ...]:
    """What is to be marked for it, on each of its pages."""
    spans = ((page, words, citation.span if find(citation.span, words) else "") for page, words in citation.parts)
    return tuple(Quoted(page, words, span) for page, words, span in spans if words)


def _key(entry: Entry, i: int) -> str:
    return f"cite-{entry.id}-{i}"


def steps(desk: Desk, entry: Entry, answer: Answer) -> None:
    """Folded: what was done, by which chain and model, and what it took."""
    words = desk.words
    if not entry.steps:
        return
    with st.expander(words("answer.steps"), type="compact", key=f"steps-{entry.id}"):
        for step in entry.steps:
            st.caption(step_line(words, step))
        facts = words(
            "answer.facts",
            chain=words(f"chain.{answer.chain}"),
            model=safe_text.inline(model_name(words, answer.model)),
            calls=answer.calls,
            seconds=f"{answer.seconds:.1f}",
        )
        st.caption(facts)
        if answer.usage.input_tokens or answer.usage.output_tokens:
            st.caption(f"{tokens_text(words, answer.usage)} · {safe_text.inline(cost_text(words, answer.cost))}")
        if answer.kept:
            st.caption(words.count("answer.facts.kept", answer.kept))


def reasoning(desk: Desk, entry: Entry, answer: Answer) -> None:
    """Folded: what the model reasoned before it answered. It is no part of the answer, and was not checked."""
    if answer.reasoning:
        with st.expander(desk.words("answer.reasoning"), type="compact", key=f"reasoning-{entry.id}"):
            st.caption(desk.words("answer.reasoning.about"))
            for thought in answer.reasoning:
                st.markdown(safe_text.block(thought))


def sources(desk: Desk, entry: Entry, given: Sequence[Source], cited: Collection[int]) -> None:
    """Folded: the passages that were given, those that are cited before the others where there are too many."""
    if not given:
        return
    listed = sorted(given, key=lambda source: source.n not in cited)[:_SHOWN_SOURCES]
    with st.expander(desk.words("answer.sources", n=len(given)), type="compact", key=f"sources-{entry.id}"):
        for source in sorted(listed, key=lambda source: source.n):
            _source(desk, entry, source, "source")


def _source(desk: Desk, entry: Entry, source: Source, kind: str) -> None:
    """A passage with the button that opens its page."""
    words, passage = desk.words, source.passage
    parts = tuple(Quoted(span.page, passage.text[span.start : span.end].strip()) for span in passage.chunk.spans)
    with st.container(key=f"quote-{kind}-{entry.id}-{source.n}", gap="xxsmall"):
        st.button(
            f"[{source.n}] {safe_text.inline(passage.name, 60)} · {words('page.short', page=passage.page)}",
            key=f"{kind}-{entry.id}-{source.n}",
            type="tertiary",
            on_click=partial(show, Opened(passage.document, passage.name, passage.page, parts)),
        )
        st.caption(safe_text.inline(passage.text[:400] + ("…" if len(passage.text) > 400 else "")))


def actions(desk: Desk, entry: Entry) -> DeltaGenerator:
    """The row of what can be done with an entry, with what every entry has; the caller adds the rest."""
    row = st.container(horizontal=True, gap="xsmall", key=f"actions-{entry.id}")
    if entry.resumable:
        row.button(
            desk.words("ask.resume"),
            key=f"resume-{entry.id}",
            icon=":material/play_arrow:",
            type="primary",
            help=desk.words("ask.resume.help"),
            on_click=partial(desk.resume, entry),
        )
    row.button(
        desk.words("ask.again"),
        key=f"again-{entry.id}",
        icon=":material/refresh:",
        type="tertiary",
        on_click=partial(desk.again, entry),
    )
    return row


def _other_ways(desk: Desk, entry: Entry) -> None:
    words = desk.words
    chains = [name for name, chain in CHAINS.items() if entry.kind in chain.tasks and name != entry.chain]
    chosen = st.menu_button(
        words("ask.with"),
        chains,
        key=f"with-{entry.id}",
        type="tertiary",
        format_func=lambda name: words(f"chain.{name}"),
    )
    if chosen:
        desk.again(entry, chosen)
        st.rerun()
    if entry.kind == "question":
        st.button(
            words("ask.compare"),
            key=f"compare-{entry.id}",
            icon=":material/view_column:",
            type="tertiary",
            help=words("ask.compare.help"),
            on_click=partial(desk.compare, entry),
        )


def copy(words: Words, entry: Entry, said: str) -> None:
    if said:
        with st.popover(words("ask.copy"), icon=":material/content_copy:", type="tertiary", key=f"copy-{entry.id}"):
            st.code(said, language=None, wrap_lines=True)


def for_clipboard(words: Words, answer: Answer) -> str:
    """The answer with its sources, as plain text."""
    lines = dict.fromkeys(
        f"[{citation.n}] {citation.name}, {words('page.short', page=citation.page)}" for citation in answer.citations
    )
    alone = words.count("answer.unsourced", len(answer.unsourced)) if answer.unsourced else ""
    return "\n\n".join(part for part in (answer.text, "\n".join(lines), alone) if part)


def model_name(words: Words, spec: str) -> str:
    return words("model.extractive") if spec == "extractive" else label(spec)
