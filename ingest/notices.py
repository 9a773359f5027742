"""What a person should know although nothing was stopped by it, each said once."""

import threading
from collections.abc import Callable

from ingest.errors import Notice


class Notices:
    """Collects notices in the order in which they came. Safe for threads."""

    def __init__(self, listener: Callable[[Notice], None] | None = None) -> None:
        """`listener`: called with each new notice, for a door that says it at once."""
        self._listener = listener
        self._lock = threading.Lock()
        self._notices: dict[str, Notice] = {}

    def add(self, notice: Notice) -> None:
        with self._lock:
            is_new = self._notices.setdefault(str(notice), notice) is notice
        if is_new and self._listener is not None:
            self._listener(notice)

    def list_all(self) -> tuple[Notice, ...]:
        with self._lock:
            return tuple(self._notices.values())
