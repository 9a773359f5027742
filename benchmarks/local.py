"""How fast a model in this process reads and writes: by prompts in one batch, and by bits of a weight.

Without --model it is one of the shape of Qwen2.5-0.5B (494 million weights) with random weights: what it writes is
nonsense, how long it takes is not. Weights, prompts and replies are the same in all rows of the table.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from chains.models.local.generate import Row, together
from chains.models.local.loader import Loader
from chains.models.local.quantization import Bits

_SHAPE = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}


_ROW = "| {bits} | {rows} | {gb:.2f} | {read:.0f} | {written:.1f} | {read_cpu:.0f} | {written_cpu:.2f} |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="DIR", help="a model's folder (else one with random weights)")
    parser.add_argument("--rows", default="1,4,8", metavar="N,…", help="prompts in one batch (1,4,8)")
    parser.add_argument("--bits", default="16", metavar="N,…", help="bits of a weight: 16,8,4 (16)")
    parser.add_argument("--prompt", type=int, default=400, metavar="N", help="tokens of a prompt (400)")
    parser.add_argument("--reply", type=int, default=64, metavar="N", help="tokens of a reply (64)")
    parser.add_argument("--threads", type=int, metavar="N", help="of the processor (else as torch likes)")
    parser.add_argument("--small", action="store_true", help="a random model of a few kilobytes, to try the benchmark")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    wrong = [bits for bits in args.bits.split(",") if bits not in get_args(Bits)]
    if wrong:
        raise SystemExit(f"--bits {wrong[0]}: one of {', '.join(get_args(Bits))}")
    results = []
    if not args.json:
        print("| bits | rows | weights, GB | tokens read a second | written | read a processor second | written |")
        print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as spare:
        folder = args.model or random_model(Path(spare), args.small)
        for bits in args.bits.split(","):
            for one in measure(folder, bits, [int(n) for n in args.rows.split(",")], args.prompt, args.reply):
                results.append(one)
                if not args.json:
                    print(_ROW.format(**one), flush=True)
    if args.json:
        print(json.dumps(results))
    return 0


def random_model(folder: Path, small: bool) -> Path:
    """Saves one in `folder` and returns it."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    shape: dict[str, Any] = dict(_SHAPE)
    if small:
        shape |= {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        shape |= {"num_attention_heads": 4}
    kinds: Any = transformers
    torch.manual_seed(7)
    model = kinds.LlamaForCausalLM(kinds.LlamaConfig(**shape, bos_token_id=0, eos_token_id=None, pad_token_id=0))
    model.to(torch.bfloat16).save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: n for n, letter in enumerate(alphabet)}, []))
    raw.decoder = decoders.ByteLevel()
    kinds.PreTrainedTokenizerFast(tokenizer_object=raw).save_pretrained(folder)
    return folder


def measure(folder: Path, bits: Bits, rows: Sequence[int], prompt: int, reply: int) -> Iterator[dict[str, Any]]:
    """One result for each number of rows, as they come, by the clock and by the processor's."""
    import torch

    loader = Loader("benchmark", str(folder), bits)
    config, tokenizer = loader.words()
    model = loader.weights(config)
    for n in rows:
        torch.manual_seed(n)
        ids = torch.randint(3, min(len(tokenizer), 256), (n, prompt)).tolist()

        def answer(limit: int, ids: Sequence[Sequence[int]] = ids) -> Callable[[], None]:
            def go() -> None:
                batch = [Row(tokens, limit, False, lambda item: None, threading.Event()) for tokens in ids]
                together(model, tokenizer, batch)

            return go

        answer(1)()  # the first one pays for what is made once
        read, read_cpu = seconds(answer(1))
        whole, whole_cpu = seconds(answer(1 + reply))
        yield {
            "bits": bits,
            "rows": n,
            "gb": model.get_memory_footprint() / 1e9,
            "read": rate(n * prompt, read),
            "written": rate(n * reply, whole, read),
            "read_cpu": rate(n * prompt, read_cpu),
            "written_cpu": rate(n * reply, whole_cpu, read_cpu),
        }


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """The better of two by the clock, and by the processor's, which a machine that does something else slows less."""
    took = []
    for _ in range(2):
        clock, processor = time.perf_counter(), time.process_time()
        work()
        took.append((time.perf_counter() - clock, time.process_time() - processor))
    return min(clock for clock, _ in took), min(processor for _, processor in took)


def rate(tokens: int, whole: float, read: float = 0.0) -> float:
    """A second; 0 where the machine's other work hid what it takes."""
    return tokens / (whole - read) if whole > read else 0.0
