"""Waits for changes under paths. The only file that knows watchfiles."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.errors import PagewiseError

_LOOK_MS = 1000  # how often a file that is still being written is looked at
_GATHER_MS = 1600  # changes that follow one another this fast are one batch


class CannotWatch(PagewiseError):
    text = "The folder cannot be watched ({detail})."
    remedy = "Run `pagewise ingest` again after changes instead."


def changes(paths: Sequence[Path]) -> Iterator[bool]:
    """True after changes, False where a moment passed without. Raises CannotWatch, KeyboardInterrupt."""
    import watchfiles

    try:
        for changed in watchfiles.watch(
            *paths, watch_filter=None, debounce=_GATHER_MS, rust_timeout=_LOOK_MS, yield_on_timeout=True
        ):
            yield bool(changed)
    except (OSError, RuntimeError) as error:  # a folder that has gone; the system's limit on watched folders
        raise CannotWatch(detail=str(error)[:300]) from error
