"""What this machine is good at, and what it says when it has too little."""

import time
from typing import Any


def out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def bfloat16_is_faster(width: int) -> bool:
    """Measured here and now, in some milliseconds, on one layer of `width` hidden units on the CPU.

    Some CPUs multiply bfloat16 in hardware, others convert each number first. A question is about ten times as many
    tokens to read, together, as to write, one by one.
    """
    import torch

    width = min(width, 2048)

    def seconds(dtype: Any) -> float:
        weights = torch.ones(width, 4 * width, dtype=dtype)
        read, write = torch.ones(64, width, dtype=dtype), torch.ones(1, width, dtype=dtype)
        best = {}
        for name, rows, times in (("read", read, 2), ("write", write, 3)):
            best[name] = float("inf")
            for _ in range(times + 1):
                start = time.perf_counter()
                rows @ weights
                best[name] = min(best[name], time.perf_counter() - start)
        return 10 * best["read"] / 64 + best["write"]

    return seconds(torch.bfloat16) < 0.9 * seconds(torch.float32)


def free_memory(gpu: bool) -> int:
    """Bytes that are free on the card or, with what the system gives back at need, in this machine; 0: not known."""
    if gpu:
        import torch

        return int(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            told = dict(line.split(":") for line in lines)
        return 1024 * sum(int(told[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
    except (OSError, KeyError, ValueError):  # not Linux
        pass
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        return 0
    return int(psutil.virtual_memory().available)
