"""What a summary of a document would take by each chain, the caps, and the start."""

from collections.abc import Mapping

import streamlit as st

from app import composition, safe_text
from app.background_jobs import Job
from app.cost_text import Estimates, plan_line
from app.i18n import Words
from app.session import Desk
from chains.execution.limits import Caps
from chains.plan import Plan
from ingest.document import Record
from ingest.errors import PagewiseError

_FIRST = "map_reduce"
_LONG = 60  # calls: with more, a document is long enough to be summed up level by level


def body(desk: Desk, record: Record, counting: Job[Estimates]) -> tuple[str, Caps] | None:
    """Draws the dialog; the chain and the caps when it is to begin."""
    words = desk.words
    st.markdown(f"**{safe_text.inline(record.name, 80)}**")
    place = st.empty()
    while counting.running:
        place.caption(words("summary.counting"))  # a place where closing the dialog takes effect
        counting.wait(0, 0.3)
    place.empty()
    if counting.error is not None:
        st.error(safe_text.block(words.error(counting.error)), icon=":material/error:")
        return None
    (offers,) = counting.events
    st.markdown(words("library.summarise.about"))
    names = list(offers.plans)
    chain = st.radio(
        words("side.chain"),
        names,
        index=names.index(_best(offers.plans)),
        captions=[_caption(words, name, offers.plans[name]) for name in names],
        format_func=lambda name: words(f"chain.{name}"),
        key="summary-chain",
        label_visibility="collapsed",
    )
    caps = _caps(desk, offers)
    if st.button(words("library.summarise.go"), key="summary-go", type="primary", icon=":material/play_arrow:"):
        return chain, caps
    return None


def _best(plans: Mapping[str, Plan | PagewiseError]) -> str:
    """The one to begin with: level by level for what is long."""
    plan = plans.get("recursive")
    return "recursive" if isinstance(plan, Plan) and plan.calls > _LONG else _FIRST


def _caption(words: Words, name: str, plan: Plan | PagewiseError) -> str:
    about = words(f"summary.{name}.about")
    if isinstance(plan, PagewiseError):
        return f"{about}  \n:orange[{safe_text.inline(words.error(plan), 300)}]"
    return f"{about}  \n**{safe_text.inline(words('plan.most', plan=plan_line(words, plan)), 300)}**"


def _caps(desk: Desk, offers: Estimates) -> Caps:
    """Folded; begins with those of the settings. 0 and empty: no cap."""
    words, given = desk.words, composition.caps(desk.settings)
    priced = offers.price is not None
    currency = offers.price.currency if offers.price is not None else ""
    with st.expander(words("summary.caps"), type="compact", key="summary-caps"):
        with st.container(horizontal=True, gap="small"):
            calls = _number(words("summary.caps.calls"), "cap-calls", given.calls, 1)
            tokens = _number(words("summary.caps.tokens"), "cap-tokens", given.tokens, 1000)
        with st.container(horizontal=True, gap="small"):
            minutes = _number(words("summary.caps.minutes"), "cap-minutes", round(given.seconds / 60), 1)
            cost = st.number_input(
                words("summary.caps.cost", currency=currency) if currency else words("summary.caps.money"),
                min_value=0.0,
                value=given.cost if priced and given.cost else None,
                step=0.1,
                format="%.2f",
                key="cap-cost",
                disabled=not priced,
                help=None if priced else words("summary.caps.unpriced"),
            )
        st.caption(words("summary.caps.about"))
    return Caps(calls, tokens, 60.0 * minutes, float(cost or 0))


def _number(label: str, key: str, given: int, step: int) -> int:
    return int(st.number_input(label, min_value=0, value=given or None, step=step, key=key) or 0)
