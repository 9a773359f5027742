"""Which document is meant by a name or an id, and what to say where none is."""

import difflib
import unicodedata
from collections.abc import Sequence

from ingest.document import Record
from ingest.errors import AmbiguousDocument, NoSuchName, ShortId, UnknownDocument

_SHORTEST_ID = 8
_SAYS = 2  # characters of a name that say something
_NAMED = 3  # names in a sentence


def named(records: Sequence[Record], name_or_id: str) -> Record:
    """The document of this name or id, or whose id begins so. Raises UnknownDocument, AmbiguousDocument."""
    wanted = _plain(name_or_id)
    found = [r for r in records if r.id == name_or_id] or [r for r in records if r.name == name_or_id]
    found = found or [r for r in records if _plain(r.name) == wanted]
    if not found and len(wanted) >= _SHORTEST_ID:
        found = [r for r in records if r.id.startswith(wanted)]
    if not found:
        raise unknown(records, name_or_id)
    if len(found) > 1:
        ids = ", ".join(record.id[:_SHORTEST_ID] for record in found)
        raise AmbiguousDocument(name=name_or_id, count=len(found), ids=ids)
    return found[0]


def unknown(records: Sequence[Record], name_or_id: str) -> UnknownDocument:
    """The error for a name or id that none of them has, with what may have been meant."""
    names, wanted = [record.name for record in records], _plain(name_or_id)
    holding = [name for name in names if len(wanted) >= _SAYS and wanted in _plain(name)]
    alike = difflib.get_close_matches(name_or_id, names, _NAMED, 0.5)
    nearest = tuple(dict.fromkeys((*holding, *alike)))[:_NAMED]
    if nearest:
        return NoSuchName(name=name_or_id, nearest=nearest, near=", ".join(nearest))
    if 0 < len(name_or_id) < _SHORTEST_ID and any(r.id.startswith(name_or_id.lower()) for r in records):
        return ShortId(name=name_or_id, nearest=(), least=_SHORTEST_ID)
    return UnknownDocument(name=name_or_id, nearest=())


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()
