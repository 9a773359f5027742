"""Render a Prompt as the system and user texts that a model is sent.

Text from documents and from models stands between tags. Whatever looks like such a tag is removed from the text
itself, so that nothing in a document can end its source and speak as the program.
"""

import re

from chains.grounding import citations, refusal
from chains.prompt import Example, Language, Prompt, Rendered, Source, Written
from chains.prompting import scores
from chains.prompting.templates import (
    A_TOKEN,
    ANEW,
    ASKED,
    DATA,
    EXAMPLES,
    LENGTH,
    NOTES,
    NOTHING,
    REASON,
    REFUSE,
    UNCHANGED,
    UNLESS,
    WORK,
)

_TAG = re.compile(r"<(?=\s*/?\s*(?:source|note|draft|turn|question|document|example|reasoning)\b)", re.I)


def render(prompt: Prompt, structured: bool = False) -> Rendered:
    """The prompt in the words of its language. `structured`: the reply will be made to fit the prompt's schema."""
    return Rendered("\n\n".join(_system(prompt, structured)), "\n\n".join(_user(prompt)))


def material(prompt: Prompt) -> list[str]:
    """Its sources, notes and draft, each between its tags."""
    parts = [_source(source) for source in prompt.sources]
    parts += [_framed(note, "note") for note in prompt.notes]
    if prompt.draft:
        parts.append(_framed(prompt.draft, "draft"))
    return parts


def _framed(text: str, tag: str) -> str:
    inside = _inside(text)
    piece = f"<{tag}>\n{inside}\n</{tag}>"
    if isinstance(text, Written) and inside == text:
        return Written(piece, text.tokens, f"<{tag}>\n\n</{tag}>")
    return piece


def _system(prompt: Prompt, structured: bool) -> list[str]:
    language, role, question = prompt.words, prompt.role, prompt.task == "question"
    parts = [WORK[role, prompt.task][language]]
    if role in ("condense", "broaden", "split"):
        return [*parts, ANEW[prompt.language]]
    if role == "score":
        return [*parts, DATA[language], scores.rule("score", language, structured)]
    if role == "reduce":
        parts.append(NOTES[language])
    else:
        parts += [DATA[language], citations.RULE[language]]
    if role == "map":
        parts.append(NOTHING[language].format(words=refusal.NOTHING[language]))
    elif role == "refine":
        parts.append(UNCHANGED[language].format(words=refusal.UNCHANGED[language]))
    elif question:
        parts.append(REFUSE[language].format(words=refusal.NOT_FOUND[language]))
    length = _words(prompt.max_tokens - prompt.reasoning, language)
    unless = UNLESS[language] if question else ""
    parts.append(LENGTH[prompt.language].format(n=length, asked=ASKED[prompt.task], unless=unless))
    if role == "rerank":
        parts.append(scores.rule("answer_and_score", language, structured))
    if prompt.examples:
        parts.append(EXAMPLES[language])
    if prompt.reasoning:
        parts.append(REASON[language].format(n=_words(prompt.reasoning, language)))
    return parts


def _words(tokens: int, language: Language) -> int:
    return max(10, int(tokens * A_TOKEN[language]))


def _user(prompt: Prompt) -> list[str]:
    parts = [*map(shown, prompt.examples), *material(prompt)]
    if prompt.role == "condense":
        parts += [f"<turn>\n{_inside(turn.question)}\n\n{_inside(turn.answer)}\n</turn>" for turn in prompt.history]
    tag = ASKED[prompt.task]
    parts.append(f"<{tag}>\n{_inside(prompt.question)}\n</{tag}>")
    return parts


def _source(source: Source) -> str:
    passage = source.passage
    last = f"-{passage.last_page}" if passage.last_page != passage.page else ""
    heading = f' heading="{_attribute(passage.chunk.heading)}"' if passage.chunk.heading else ""
    return (
        f'<source n="{source.n}" document="{_attribute(passage.name)}" page="{passage.page}{last}"{heading}>\n'
        f"{_inside(citations.shield(source.text))}\n</source>"
    )


def shown(example: Example) -> str:
    """An example between its tags."""
    texts = [citations.shield(text) for text in (example.question, example.answer, example.note) if text]
    return "<example>\n" + "\n\n".join(_inside(text) for text in texts) + "\n</example>"


def _inside(text: str) -> str:
    """Text between tags: one of our tags in it is told apart by its bracket, everything else stays as it is."""
    return _TAG.sub("‹", text.strip())


def _attribute(text: str) -> str:
    """A file's name or a heading: one short line without anything that could end it."""
    return re.sub(r"[\s\"<>\[\]【】]+", " ", text).strip()[:120]
