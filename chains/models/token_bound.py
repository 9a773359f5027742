"""How many tokens a text can have at most, for a model whose tokenizer is out of reach. Needs no download.

The bound is the number of UTF-8 bytes, and it holds because of how tokenizers are built:

- byte-level BPE (GPT, Llama 3, Qwen, DeepSeek, Mistral's newer ones) begins with one token a byte and only ever
  joins tokens;
- SentencePiece with byte fallback (Llama 2, Gemma, the older Mistral) takes one token for a character that it knows,
  the bytes of one that it does not, and at most one for the space that it puts in front;
- WordPiece takes at most one token a character.

Some of them first bring the text into a normal form, which can be longer (one Arabic ligature becomes 18 letters),
so the longest form counts.

The price: English has about 4.5 bytes a token and Chinese about 4, so a prompt can fill only a quarter of the window.
No tighter bound is true of every vocabulary: nothing stops one from never joining what this text is made of, and
text of random letters or digits comes near the bound in practice. A window of 100,000 tokens, as hosted models have,
does not feel it; for a small window use a server that counts (vLLM, llama.cpp) or a local model, whose counts are
exact.
"""

import unicodedata

PER_MESSAGE = 16  # role, start and end marks of one message: 3 to 8 in the templates in use
PER_PROMPT = 96  # beginning of text, cue to answer, and a preamble that a template writes by itself: up to about 90


def bound(text: str) -> int:
    """At least the tokens of `text` in any byte-level, byte-fallback or WordPiece vocabulary."""
    if text.isascii():  # in every normal form as it is
        return 1 + len(text)
    forms = (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFKC", text))
    return 1 + max(len(form.encode("utf-8", "surrogatepass")) for form in forms)


def bound_messages(texts: tuple[str, ...]) -> int:
    """At least the tokens of a chat of so many messages, the cue to answer included."""
    return PER_PROMPT + sum(PER_MESSAGE + bound(text) for text in texts)
