"""Replies that were finished and paid for, so that work that was cut off goes on where it was.

A reply is known again by its work (chain, task, model, documents) and by all that the model was told, word for word.
"""

import hashlib
from collections.abc import Collection

from chains.prompt import Prompt, Task
from chains.prompting.render import render
from ingest.store.reply_cache import Kept, Replies


def scope(chain: str, task: Task, model: str, variant: str, documents: Collection[str]) -> bytes:
    """The name of a piece of work. `variant`: what makes the model another one under the same name."""
    return _hash(chain, task.kind, task.question, task.language, model, variant, *sorted(documents))


class Memory:
    """The finished replies of one piece of work."""

    def __init__(self, replies: Replies, scope: bytes, documents: Collection[str]) -> None:
        self._replies = replies
        self._scope = scope
        self._documents = tuple(documents)

    @property
    def any(self) -> bool:
        """Whether there may be one."""
        return self._replies.count(self._scope) > 0

    def get(self, prompt: Prompt) -> Kept | None:
        return self._replies.get(self._key(prompt))

    def put(self, prompt: Prompt, reply: Kept) -> None:
        """Keeps a whole reply; an empty one is worth another try."""
        if reply.text.strip():
            self._replies.put(self._key(prompt), self._scope, reply, self._documents)

    def _key(self, prompt: Prompt) -> bytes:
        told = render(prompt)
        how = (str(prompt.max_tokens), prompt.schema or "")
        return _hash(self._scope.hex(), prompt.role, told.system, told.user, *how)


def _hash(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest()
