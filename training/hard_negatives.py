"""Passages that a search would rank high for a question and that do not hold its answer: the hard negatives."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import log
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chains.reader.contradiction import PLAIN
from ingest.text.search_tokens import tokens
from training.encoder import hidden_states
from training.model import ReaderModel
from training.negatives import Likeness
from training.squad import Pairs

_K1, _B = 1.2, 0.75  # BM25, Robertson and Zaragoza 2009
_ROWS = 32  # embedded at once
_ENOUGH = 15.0  # of rarity: what two or three rare words have together


class Bm25:
    """Keyword search over texts that are in memory."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(tokens(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], np.float32)
        weighed = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1.0))
        found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for token, times in count.items():
                found[token].append((place, times))
        self._size = len(texts)
        self._postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        for token, entries in found.items():
            where = np.array([place for place, _ in entries])
            often = np.array([n for _, n in entries], np.float32)
            rarity = np.log(1 + (len(texts) - len(entries) + 0.5) / (len(entries) + 0.5))
            self._postings[token] = where, (rarity * often * (_K1 + 1) / (often + weighed[where])).astype(np.float32)

    def scores(self, question: str) -> NDArray[np.float32]:
        """[texts]."""
        total = np.zeros(self._size, np.float32)
        for token in set(tokens(question)):
            if token in self._postings:
                places, worth = self._postings[token]
                total[places] += worth
        return total


def hard(
    pairs: Pairs, vectors: Callable[[Sequence[str]], NDArray[np.float32]], count: int = 6
) -> list[tuple[int, ...]]:
    """For each pair places of passages, the hardest first, from keyword and vector search by turns.

    `vectors`: texts to rows of length 1. None holds one of the pair's answers, and none is its own passage."""
    texts = [passage.text for passage in pairs.passages]
    lower = [text.lower() for text in texts]
    keywords = Bm25(texts)
    rows, asked = vectors(texts), vectors([pair.question for pair in pairs.pairs])
    mined = []
    for pair, vector in zip(pairs.pairs, asked, strict=True):
        ranked = [_best(keywords.scores(pair.question), 4 * count), _best(rows @ vector, 4 * count)]
        by_turns = dict.fromkeys(place for both in zip(*ranked, strict=True) for place in both)
        golds = [gold.lower() for gold in pair.golds]
        fit = [at for at in by_turns if at != pair.passage and not any(gold in lower[at] for gold in golds)]
        mined.append(tuple(fit[:count]))
    return mined


def _best(scores: NDArray[np.float32], count: int) -> list[int]:
    count = min(count, len(scores))
    top = np.argpartition(-scores, count - 1)[:count]
    return [int(at) for at in top[np.argsort(-scores[top], kind="stable")]]


def foreign(pairs: Pairs, count: int = 12) -> list[tuple[int, ...]]:
    """For each passage places of pairs of others whose questions it is nearest to answering, the nearest first.

    Near is what holds most of a question's words, by their rarity: people's own questions, on the same matter, to which
    it has no answer. It holds none of the pair's."""
    lower = [passage.text.lower() for passage in pairs.passages]
    plain = frozenset(tokens(" ".join(PLAIN)))
    held = [frozenset(tokens(text)) - plain for text in lower]
    often = Counter(token for words in held for token in words)
    asked = [frozenset(tokens(pair.question)) - plain for pair in pairs.pairs]

    def rarity(token: str) -> float:
        return log(len(lower) / (1 + often[token]) + 1)

    whole = np.array([sum(map(rarity, words)) for words in asked])
    worth = np.minimum(1.0, whole / _ENOUGH) / np.maximum(whole, 1e-9)  # little is known of a question of few words
    whose = np.array([pair.passage for pair in pairs.pairs])
    postings: defaultdict[str, list[int]] = defaultdict(list)
    for place, words in enumerate(asked):
        for token in words:
            postings[token].append(place)
    found = []
    for n, words in enumerate(held):
        scores = np.zeros(len(whole))
        for token in words & postings.keys():
            scores[postings[token]] += rarity(token)
        near = _best(np.where(whose == n, 0.0, scores * worth).astype(np.float32), 4 * count)
        fit = [at for at in near if not any(gold.lower() in lower[n] for gold in pairs.pairs[at].golds)]
        found.append(tuple(at for at in fit if pairs.pairs[at].answerable)[:count])
    return found


def mined(pairs: Pairs, model: ReaderModel, out: Path, longest: int) -> list[tuple[int, ...]]:
    """`hard` with the base model's own vectors; kept in `out`, because a resumed run needs the same."""
    whole = sha256("\0".join([*(p.text for p in pairs.passages), *(p.question for p in pairs.pairs)]).encode())
    kept = out / f"mined-{whole.hexdigest()[:12]}.json"
    if not kept.exists():
        found = hard(pairs, lambda texts: meaning(model, texts, longest // 2))
        out.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return [tuple(places) for places in json.loads(kept.read_text())]


def meaning(model: ReaderModel, texts: Sequence[str], longest: int) -> NDArray[np.float32]:
    """[texts, hidden], of length 1: the mean of the base's vectors of the first `longest` tokens."""
    rows = np.zeros((len(texts), model.shape.hidden), np.float32)
    weights = {name: value.to(torch.bfloat16) for name, value in model.frozen.items()}
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    for at in range(0, len(order), _ROWS):
        places = order[at : at + _ROWS]
        read = model.tokenizer(
            [texts[n] for n in places], truncation=True, max_length=longest, padding=True, return_tensors="pt"
        )
        mask = read["attention_mask"]
        with torch.no_grad():
            h = hidden_states(weights, model.shape, read["input_ids"], torch.zeros_like(mask), mask.bool()).float()
        total = (h * mask[:, :, None]).sum(1)
        rows[places] = torch.nn.functional.normalize(total, dim=-1).numpy()
    return rows


def likeness(model: ReaderModel) -> Likeness:
    """The cosine of words' vectors: the means of what the base's table has for their tokens."""
    table = model.frozen["embeddings.word_embeddings.weight"].float()
    known: dict[str, Tensor] = {}

    def vector(word: str) -> Tensor:
        if word not in known:
            ids = model.tokenizer(word.lower(), add_special_tokens=False)["input_ids"]
            known[word] = torch.nn.functional.normalize(table[ids or [model.tokenizer.unk_token_id]].mean(0), dim=0)
        return known[word]

    def like(word: str, others: Sequence[str]) -> list[float]:
        found: list[float] = (torch.stack([vector(other) for other in others]) @ vector(word)).tolist()
        return found

    return like
