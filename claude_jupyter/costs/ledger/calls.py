"""What the ledger stores and returns, as values, and the small interface that every ledger has. No storage here (`sqlite_ledger.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.providers import PROVIDERS

UNBILLED: Final = (*(name for name, row in PROVIDERS.items() if not row.billed), "replay")
"""Providers whose requests cost nothing: their prices are what it would have cost, and count $0 in budgets."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a request when it starts; the columns of the ledger's table `calls`.

    Attributes
    ----------
    at
        When it starts (aware; stored as UTC).
    notebook
        Path of the notebook at kernel start, or None.
    cell
        A hash of the cell's id (`cell_hash`), or None.
    """

    model: str
    provider: str = "anthropic"
    user: str = ""
    kernel: str = ""
    notebook: str | None = None
    cell: str | None = None
    chat: str | None = None
    turn: int | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a request ended.

    Attributes
    ----------
    cost
        List price; None if the model's price is not known. A request that was not billed has `Cost()`.
    estimated
        Tokens and cost are a lower bound.
    complete
        The answer came to its end.
    ttft, seconds
        Seconds to the first token, and in all.
    usage_json
        The final usage as the service sent it.
    model
        The model that answered, where the service named another spelling or model than was asked for.
    """

    usage: Usage = field(default_factory=Usage)
    cost: Cost | None = None
    estimated: bool = False
    complete: bool = False
    stop_reason: str | None = None
    ttft: float | None = None
    seconds: float = 0.0
    request_id: str | None = None
    service_tier: str | None = None
    usage_json: Mapping[str, Any] | None = None
    model: str | None = None
    price_date: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Dollars that count against budgets: billed, or set aside for requests still in progress.

    Attributes
    ----------
    reserved
        The part of each that is only set aside: what people are told they have spent is without it.
    """

    kernel: Decimal = Decimal(0)
    notebook: Decimal = Decimal(0)
    day: Decimal = Decimal(0)
    reserved: tuple[Decimal, Decimal, Decimal] = field(
        default=(Decimal(0), Decimal(0), Decimal(0)), compare=False
    )

    def __add__(self, other: Spent) -> Spent:
        (k, n, d), (k2, n2, d2) = self.reserved, other.reserved
        reserved = (k + k2, n + n2, d + d2)
        return Spent(
            self.kernel + other.kernel, self.notebook + other.notebook, self.day + other.day, reserved
        )

    @property
    def billed(self) -> Spent:
        """Without what is set aside."""
        kernel, notebook, day = self.reserved
        return Spent(self.kernel - kernel, self.notebook - notebook, self.day - day)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Dollars set aside for a request in progress: of a kernel that died, the input still counts, the output no more."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Where:
    """Which calls; None is all of them. `since` is inclusive, `until` is not; both count by quarters of an hour.

    `newest` looks at that many of the newest calls of each file only.
    """

    user: str | None = None
    kernel: str | None = None
    notebook: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of some calls.

    Attributes
    ----------
    key
        The values of the columns that were summed by.
    first
        When the first of them was asked (to the quarter of an hour), in seconds since 1970.
    calls, turns
        Requests, and the questions they belong to.
    billed, unbilled
        Dollars at list price; of the demo model and replays what they would have cost.
    saved, thinking_cost
        Dollars: what caching saved, and the part of `billed` that was thinking.
    parts
        Dollars of `billed` and `unbilled` together by part: input, cache, output, web_searches.
    unknown, estimated, unfinished
        Requests of unknown price, with a lower bound, and that never came to an end (a crash, or still in progress).
    order
        Which of two sums that began in the same quarter of an hour began first.
    """

    key: tuple[Any, ...] = ()
    first: int = 0
    calls: int = 0
    turns: int = 0
    usage: Usage = field(default_factory=Usage)
    billed: Decimal = Decimal(0)
    unbilled: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)
    thinking_cost: Decimal = Decimal(0)
    parts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    unknown: int = 0
    estimated: int = 0
    unfinished: int = 0
    order: int = 0

    @property
    def cost(self) -> Decimal:
        """Dollars at list price, billed or not."""
        return self.billed + self.unbilled

    @staticmethod
    def total(sums: Iterable[Sum], key: tuple[Any, ...] = ()) -> Sum:
        """All of them as one."""
        sums = list(sums)
        parts: dict[str, Decimal] = {}
        for one in sums:
            for name, usd in one.parts.items():
                parts[name] = parts.get(name, Decimal(0)) + usd
        return Sum(
            key,
            min((s.first for s in sums if s.calls), default=0),
            sum(s.calls for s in sums),
            sum(s.turns for s in sums),
            sum((s.usage for s in sums), Usage()),
            sum((s.billed for s in sums), Decimal(0)),
            sum((s.unbilled for s in sums), Decimal(0)),
            sum((s.saved for s in sums), Decimal(0)),
            sum((s.thinking_cost for s in sums), Decimal(0)),
            parts,
            sum(s.unknown for s in sums),
            sum(s.estimated for s in sums),
            sum(s.unfinished for s in sums),
            min((s.order for s in sums), default=0),
        )


Allow = Callable[[Spent], Reserve]
"""Decides, while no other kernel can, whether a request may start: what to set aside for it, or raises `BudgetError`."""


class Accounts(Protocol):
    """What the rest of the package needs of a ledger; a shared database could be one."""

    def start(self, call: Call, allow: Allow | None = None) -> str:
        """Record that a request starts; returns its row's id."""
        ...

    def finish(self, row: str, outcome: CallOutcome) -> None:
        """Complete a row."""
        ...

    def hold(self, call: Call, allow: Allow) -> str:
        """Set aside what `allow` says until `release`, without a row."""
        ...

    def release(self, row: str) -> None:
        """Release it."""
        ...

    def spent(self, *, kernel: str = "", notebook: str | None = None, user: str = "") -> Spent:
        """What counts against the budgets of this kernel, notebook and user (today) now."""
        ...

    def sums(self, by: tuple[str, ...], where: Where) -> list[Sum]:
        """Sums of calls by columns of `calls` or `slot` (quarters of an hour since 1970)."""
        ...

    def rows(self, where: Where) -> Iterator[dict[str, Any]]:
        """Every call as a mapping of its columns, oldest first."""
        ...

    def reprice(self, prices: Iterable[tuple[str, CallOutcome]]) -> int:
        """Update the cost of past rows, keeping what was recorded; returns how many changed."""
        ...
