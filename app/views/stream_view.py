"""The text of an answer as it comes: what there is for certain, or a draft and what is being written in its place."""

from chains.compare import Compared
from chains.events import Event, Step, Token, Trial

CURSOR = " ▍"


class Writing:
    """Feed it the events of one answer; `shown` is what the screen has then."""

    def __init__(self) -> None:
        self._text = self._trial = self._draft = ""

    def add(self, event: Event | Compared) -> None:
        if isinstance(event, Token):
            self._text += event.text
        elif isinstance(event, Trial):
            self._trial += event.text
        elif isinstance(event, Step) and event.name in ("reading", "drafted", "kept", "lost"):  # see Trial
            self._trial = ""
            self._draft = event.text if event.name == "drafted" else self._draft

    @property
    def shown(self) -> str:
        """With a cursor where it is written. A new draft overwrites the former, of which the rest still stands."""
        if self._text or not (self._trial or self._draft):
            return self._text and self._text + CURSOR
        rest = self._draft[len(self._trial) :]
        if self._trial:  # from the next word on
            rest = rest[len(rest.split(maxsplit=1)[0]) :] if rest and not rest[0].isspace() else rest
        return self._trial + CURSOR + rest
