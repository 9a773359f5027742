"""A BERT and an XLM-RoBERTa of a few kilobytes with fast tokenizers, and a SQuAD file made of plain sentences."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_NAMES = ["Ada", "Brun", "Cato", "Dora", "Emil", "Fritz", "Gerda", "Hugo", "Ines", "Jonas", "Karla", "Lena"]
_WORKS = ["bridge", "mill", "tower", "harbour", "school", "library"]
_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?!'-年在桥建成的是谁"


def tiny_bert(folder: Path, kind: str = "bert") -> Path:
    """Saves an encoder of one layer over single characters in `folder` and returns it. `kind`: bert, xlm-roberta."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    bert = kind == "bert"
    signs = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if bert else ["<s>", "<pad>", "</s>", "<unk>"]
    cls, sep, pad, unk = ("[CLS]", "[SEP]", "[PAD]", "[UNK]") if bert else ("<s>", "</s>", "<pad>", "<unk>")
    vocabulary = {sign: n for n, sign in enumerate([*signs, *_SIGNS])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=unk))
    signs_alone = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    raw.pre_tokenizer = pre_tokenizers.Sequence(signs_alone)
    raw.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1" if bert else f"{cls} $A {sep} {sep} $B {sep}",
        special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
    )
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=raw, unk_token=unk, pad_token=pad, cls_token=cls, sep_token=sep)
    torch.manual_seed(7)
    sizes: Any = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 140,
        "pad_token_id": vocabulary[pad],
        "type_vocab_size": 2 if bert else 1,
    }
    model = BertModel(BertConfig(**sizes)) if bert else XLMRobertaModel(XLMRobertaConfig(**sizes))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_squad(file: Path, articles: int = 4) -> Path:
    """Writes a SQuAD 2.0 file of `articles` articles with two passages each and returns it."""
    rng = random.Random(7)
    data = []
    for n in range(articles):
        paragraphs = []
        for _ in range(2):
            who, work, year = rng.choice(_NAMES), rng.choice(_WORKS), str(rng.randint(1700, 1999))
            text = f"{who} opened the {work} in {year}. It is old. Many people came to see it, and few stayed long."
            asked = [(f"Who opened the {work}?", who), (f"When did {who} open the {work}?", year)]
            qas: list[dict[str, Any]] = [
                {"id": f"{n}{i}{text}", "question": q, "answers": [{"text": a, "answer_start": text.index(a)}]}
                for i, (q, a) in enumerate(asked)
            ]
            qas.append({"id": f"{n}{text}", "question": "Who closed it?", "answers": [], "is_impossible": True})
            paragraphs.append({"context": text, "qas": qas})
        data.append({"title": f"Article {n}", "paragraphs": paragraphs})
    file.write_text(json.dumps({"version": "2.0", "data": data}), "utf-8")
    return file


def alike(word: str, others: Sequence[str]) -> list[float]:
    """A small Likeness: the share of letters that two words have in common."""
    return [len(set(word.lower()) & set(other.lower())) / len(set(word + other)) for other in others]
