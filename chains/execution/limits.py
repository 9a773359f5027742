"""What an answer may take: caps, and the ledger that keeps to them."""

import threading
from dataclasses import dataclass
from time import monotonic

from chains.cost import Price, money
from chains.errors import CallsSpent, CapReached, MoneySpent, PriceUnknown, SecondsSpent, TokensSpent
from chains.execution.throughput import Speeds
from chains.model import Usage
from ingest.store.reply_cache import Replies


@dataclass(frozen=True)
class Caps:
    """The most that one run may take; 0: as much as it needs."""

    calls: int = 0
    tokens: int = 0  # read and written
    seconds: float = 0.0
    cost: float = 0.0  # in the currency of the model's price

    def __bool__(self) -> bool:
        return bool(self.calls or self.tokens or self.seconds or self.cost)


NO_CAPS = Caps()


@dataclass(frozen=True)
class Spending:
    """What a question may take, and what is known and kept from before."""

    caps: Caps = NO_CAPS
    price: Price | None = None  # None: not known
    speeds: Speeds | None = None
    replies: Replies | None = None  # where finished replies are kept; None: nowhere
    again: bool = False  # whether what is kept is dropped first, so that the model is really asked
    variant: str = ""  # what makes the model another one under the same name: its server; its bits, its adapter


FREELY = Spending()


class Ledger:
    """What was spent so far by all that share it. Begins nothing that a cap has no room for."""

    def __init__(self, model: str, caps: Caps = NO_CAPS, price: Price | None = None) -> None:
        """Raises PriceUnknown where the money is capped and nobody knows what a token costs."""
        if caps.cost and price is None:
            raise PriceUnknown(model=model)
        self.caps = caps
        self.price = price
        self._lock = threading.Lock()
        self._started = monotonic()
        self._calls = 0
        self._used = Usage()
        self._flying = Usage()  # at most, of calls that have not ended

    def begin(self, need: Usage, calls: int, reserve: Usage, seconds: float) -> None:
        """One call that takes `need` at most. It is begun only where room is left for what has to follow it.

        `calls`, `reserve`, `seconds`: what that takes at most. Raises CapReached.
        """
        with self._lock:
            error = self._missing(self._used + self._flying + need + reserve, self._calls + 1 + calls, seconds)
            if error is not None:
                raise error
            self._calls += 1
            self._flying += need

    def end(self, need: Usage, used: Usage) -> None:
        """The call that took `need` at most has taken `used`."""
        with self._lock:
            self._used += used
            self._flying += Usage(-need.input_tokens, -need.output_tokens)

    def parted(self, n: int, at_once: int) -> "list[Share]":
        """What is left for n that work, so many at once: each gets its share, and what one leaves goes to the others.

        They share this ledger's lock, and nothing is begun in it while they work.
        """
        shares: list[Share] = []
        shares += [Share(self, shares, at_once) for _ in range(n)]
        return shares

    def _share(self) -> tuple[Caps, float]:
        """What may be taken, and since when its seconds count."""
        return self.caps, self._started

    def _missing(self, due: Usage, calls: int, seconds: float) -> CapReached | None:
        (share, started), caps = self._share(), self.caps
        if caps.calls and calls > share.calls:
            return CallsSpent(limit=_limit(share.calls, caps.calls), read=0, total=0)
        if caps.tokens and due.input_tokens + due.output_tokens > share.tokens:
            return TokensSpent(limit=_limit(share.tokens, caps.tokens), read=0, total=0)
        if caps.seconds and monotonic() - started + seconds > share.seconds:
            return SecondsSpent(limit=_limit(f"{share.seconds:.3g}", f"{caps.seconds:g}"), read=0, total=0)
        if caps.cost and self.price is not None and self.price.cost(due).amount > share.cost:
            currency = self.price.currency
            return MoneySpent(limit=_limit(money(share.cost, ""), money(caps.cost, currency)), read=0, total=0)
        return None


class Share(Ledger):
    """One of several shares of a ledger. It grows when another one is done."""

    def __init__(self, whole: Ledger, all: "list[Share]", at_once: int) -> None:
        self.caps, self.price = whole.caps, whole.price
        self._whole, self._all, self._at_once = whole, all, max(1, at_once)
        self._lock = whole._lock
        self._calls, self._used, self._flying = 0, Usage(), Usage()
        self._began: float | None = None
        self._seconds = 0.0
        self._done = False

    def start(self) -> None:
        """Its work begins, and with it its time."""
        with self._lock:
            self._began = monotonic()
            waiting = sum(not one._done for one in self._all)
            left = self._whole.caps.seconds - (self._began - self._whole._started)
            self._seconds = left * min(1.0, self._at_once / waiting)

    def done(self) -> None:
        """Its work is over: what it has left is the others'."""
        with self._lock:
            self._done = True

    def _share(self) -> tuple[Caps, float]:
        over = [self._whole, *(one for one in self._all if one._done)]
        n = sum(not one._done for one in self._all) or 1
        used = sum((one._used for one in over), Usage())
        spent = self.price.cost(used).amount if self.price else 0.0
        share = Caps(
            (self.caps.calls - sum(one._calls for one in over)) // n,
            (self.caps.tokens - used.input_tokens - used.output_tokens) // n,
            self._seconds,
            (self.caps.cost - spent) / n,
        )
        return share, self._began or self._whole._started


def _limit(share: object, whole: object) -> object:
    """3/12: three of the twelve that several share."""
    return whole if str(share) == str(whole) else f"{share}/{whole}"
