"""What may be spent: estimates, budgets that hold across kernels, and asking before an expensive request.

Nothing here talks to the service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final, NamedTuple

from claude_jupyter.costs.ledger.calls import UNBILLED, Accounts, Call, Reserve, Spent
from claude_jupyter.costs.prices import Prices, list_price, price
from claude_jupyter.costs.usage import TTL, Usage, dollars
from claude_jupyter.errors import BudgetError
from claude_jupyter.models import newest

SHORTEST: Final = 1024
"""`max_tokens` is never lowered below this: a shorter answer is rarely useful."""
WARN_FROM: Final = Decimal("0.8")
_MARGIN: Final = Decimal("1.1")
"""How much more than its estimate is set aside for a prompt: counting is itself an estimate (token-counting docs)."""

_CHEAPER: Final = ("haiku", "sonnet", "opus")


@dataclass(frozen=True, slots=True)
class Budgets:
    """USD that this kernel, this notebook, and this user per day may spend; None means no limit."""

    kernel: Decimal | None = None
    notebook: Decimal | None = None
    day: Decimal | None = None

    @classmethod
    def of(cls, settings: Any) -> Budgets:
        """The settings `budget`, `notebook_budget` and `daily_budget`."""
        limits = (settings.budget, settings.notebook_budget, settings.daily_budget)
        return cls(*(None if limit is None else Decimal(str(limit)) for limit in limits))

    def limits(self, spent: Spent) -> list[Limit]:
        """Those that are set, the nearest to its end first."""
        limits = [
            Limit("this kernel has", "its", "budget", spent.kernel, self.kernel, spent.reserved[0]),
            Limit(
                "this notebook has",
                "its",
                "notebook_budget",
                spent.notebook,
                self.notebook,
                spent.reserved[1],
            ),
            Limit("you have", "today's", "daily_budget", spent.day, self.day, spent.reserved[2]),
        ]
        return sorted((one for one in limits if one.usd is not None), key=lambda one: one.remaining)


@dataclass(frozen=True, slots=True)
class Limit:
    """One budget, and how it stands; `reserved` is the part of `spent` that is only set aside for requests in progress."""

    who: str
    whose: str
    setting: str
    spent: Decimal
    usd: Decimal | None
    reserved: Decimal = Decimal(0)

    @property
    def remaining(self) -> Decimal:
        """Dollars left; negative where more was spent."""
        return (self.usd or Decimal(0)) - self.spent

    @property
    def share(self) -> Decimal:
        """The part spent."""
        return (self.spent - self.reserved) / self.usd if self.usd else Decimal(1)

    def __str__(self) -> str:
        text = f"{self.who} spent {dollars(self.spent - self.reserved)} of {self.whose} {dollars(self.usd)} budget"
        return (
            f"{text}, and {dollars(self.reserved)} is reserved for requests in progress"
            if self.reserved
            else text
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request, or several alike, would cost at list price.

    Attributes
    ----------
    prompt
        The prompt's tokens as they are expected to be billed.
    input
        Dollars for the prompt, or None if the price is not known.
    each
        Dollars per token of the answer.
    max_tokens
        The longest answer.
    requests
        How many such requests.
    """

    model: str
    prompt: Usage
    input: Decimal | None
    each: Decimal
    max_tokens: int
    requests: int = 1

    @property
    def most(self) -> Decimal | None:
        """Dollars if every answer is as long as it may be."""
        return None if self.input is None else (self.input + self.each * self.max_tokens) * self.requests

    @property
    def least(self) -> Decimal | None:
        """Dollars for the prompt alone."""
        return None if self.input is None else self.input * self.requests

    def __str__(self) -> str:
        if self.least is None or self.most is None:
            return dollars(None)
        times = f"{self.requests:,} requests, each with " if self.requests > 1 else ""
        return (
            f"{dollars(self.least)} to {dollars(self.most)} ({times}{self.prompt.prompt:,} tokens to read and at most "
            f"{self.max_tokens:,} to write, {self.model})"
        )


class Admitted(NamedTuple):
    """A request that may be sent: its row in the ledger, and the `max_tokens` that the budgets leave it."""

    row: str
    max_tokens: int


def estimate(
    model: str,
    prompt: Usage | int,
    max_tokens: int,
    *,
    requests: int = 1,
    at: datetime | None = None,
    ttl: TTL = "5m",
    batch: bool = False,
    speed: str | None = None,
    geo: str | None = None,
    overrides: Prices | None = None,
) -> Estimate:
    """What a request would cost.

    Parameters
    ----------
    prompt
        Tokens of the prompt: a count (all of it new), or a `Usage` that says what is likely to be read from the cache.
    """
    tokens = prompt if isinstance(prompt, Usage) else Usage(input=prompt)
    read = price(tokens, model, at=at, ttl=ttl, batch=batch, speed=speed, geo=geo, overrides=overrides)
    # An answer's price can depend on the prompt's length: price both, and take away the prompt.
    both = tokens + Usage(output=1_000_000)
    whole = price(both, model, at=at, ttl=ttl, batch=batch, speed=speed, geo=geo, overrides=overrides)
    each = Decimal(0) if read is None or whole is None else (whole - read) / 1_000_000
    return Estimate(model, tokens, None if read is None else Decimal(read), each, max_tokens, requests)


def check(spent: Spent, budgets: Budgets, estimated: Estimate, *, overrides: Prices | None = None) -> int:
    """How long the answer may be.

    Returns
    -------
    int
        `max_tokens`, clamped to what is left; never below 1,024 unless fewer were asked for.

    Raises
    ------
    BudgetError
        If that is not enough, or the model's price is not known while a budget is set.
    """
    limits = budgets.limits(spent)
    if not limits:
        return estimated.max_tokens
    tight = limits[0]
    if estimated.input is None:
        raise BudgetError(
            f"Not sent: a budget is set ({tight.setting}) and the price of {estimated.model!r} is not known, so the budget could"
            f" not be enforced. Set the price, for example "
            f'`%config ClaudeMagics.prices = {{"{estimated.model}": {{"input": 3, "output": 15}}}}`'
            " (USD per million tokens), or choose a model with a known price."
        )
    shortest = min(SHORTEST, estimated.max_tokens)
    needed = estimated.input + estimated.each * shortest
    if needed > tight.remaining:
        raise BudgetError(_refusal(tight, estimated, needed, shortest, overrides))
    if estimated.each == 0:
        return estimated.max_tokens
    return min(estimated.max_tokens, max(shortest, int((tight.remaining - estimated.input) / estimated.each)))


def admit(
    ledger: Accounts, call: Call, budgets: Budgets, estimated: Estimate, *, overrides: Prices | None = None
) -> Admitted:
    """Check the budgets and write down that the request starts, in one step that no other kernel can come between.

    What the request may cost is set aside until its real cost is known (`ledger.finish`), so that kernels that ask at once share
    one daily budget rightly. The demo model and replays cost nothing and are always admitted.

    Raises
    ------
    BudgetError
        As `check` does; nothing is written then.
    """
    if call.provider in UNBILLED:
        return Admitted(ledger.start(call), estimated.max_tokens)
    allowed = estimated.max_tokens

    def allow(spent: Spent) -> Reserve:
        nonlocal allowed
        allowed = check(spent, budgets, estimated, overrides=overrides)
        # Other requests in progress may also turn out more expensive than estimated: with a margin set aside for each, what passes the
        # budget in the end is at most the error of the one that was clamped to what is left.
        return Reserve((estimated.input or Decimal(0)) * _MARGIN, estimated.each * allowed)

    return Admitted(ledger.start(call, allow), allowed)


def warning(spent: Spent, budgets: Budgets) -> str | None:
    """A word for the footer from 80 % of a budget: `91 % of this notebook's $2.00 budget spent`."""
    spent_most = max(budgets.limits(spent), key=lambda one: one.share, default=None)
    if spent_most is None or spent_most.share < WARN_FROM:
        return None
    whose = {"budget": "this kernel's", "notebook_budget": "this notebook's", "daily_budget": "today's"}
    share = int(spent_most.share * 100)
    return f"{share} % of {whose[spent_most.setting]} {dollars(spent_most.usd)} budget spent"


def confirm(estimated: Estimate, above: float | None, ask: Callable[[str], bool] | None) -> None:
    """Ask before a request that may cost more than the setting `confirm_above`.

    Parameters
    ----------
    above
        USD; None never asks.
    ask
        Puts a question to the user and returns whether the answer was yes; None if nobody can answer.

    Raises
    ------
    BudgetError
        If the answer was no, or nobody can answer.
    """
    if above is None or estimated.most is None or estimated.most <= Decimal(str(above)):
        return
    if ask is None:
        raise BudgetError(
            f"Not sent: this may cost {estimated}, more than confirm_above ({dollars(Decimal(str(above)))}), "
            f"and nobody can confirm it here. Allow it with `%config ClaudeMagics.confirm_above = {round_up(estimated.most)}`."
        )
    if not ask(f"This may cost {estimated}. Send it?"):
        raise BudgetError("Not sent, as you chose. Nothing was spent.")


def _refusal(
    tight: Limit, estimated: Estimate, needed: Decimal, shortest: int, overrides: Prices | None
) -> str:
    raised = round_up(max(tight.spent + needed, (tight.usd or Decimal(0)) * Decimal("1.25")))
    ways = ["wait until those have finished"] if tight.reserved else []
    ways.append(f"raise it with `%config ClaudeMagics.{tight.setting} = {raised}`")
    if cheaper := _cheaper(tight, estimated, shortest, overrides):
        ways.append(cheaper)
    elif estimated.prompt.prompt > 20_000:
        ways.append("leave the earlier turns out with `-n`")
    if tight.setting == "daily_budget":
        ways.append("wait until tomorrow")
    first, *others = ways
    return (
        f"Not sent: {tight}; {dollars(max(tight.remaining, Decimal(0)))} is left, and this needs at least {dollars(needed)} "
        f"({dollars(estimated.input)} to read {estimated.prompt.prompt:,} tokens, the rest for an answer of {shortest:,}).\n"
        f"{first[0].upper()}{', or '.join([first, *others])[1:]}."
    )


def _cheaper(tight: Limit, estimated: Estimate, shortest: int, overrides: Prices | None) -> str | None:
    for line in _CHEAPER:
        model = newest(line).id
        rates = list_price(model, prompt=estimated.prompt.prompt, overrides=overrides)
        if rates is None or model == estimated.model:
            continue
        needed = (estimated.prompt.prompt * rates.input + shortest * rates.output) / 1_000_000
        if needed <= tight.remaining:
            return f"ask {line} instead with `-m {line}` ({dollars(needed)})"
    return None


def round_up(usd: Decimal) -> str:
    """The next amount a person would choose: 1, 1.5, 2, 3, 5 or 7.5 times a power of ten."""
    power = Decimal(1).scaleb(usd.adjusted())
    steps = (Decimal(step) * power for step in ("1", "1.5", "2", "3", "5", "7.5", "10"))
    chosen = next((step for step in steps if step >= usd), usd.to_integral_value(ROUND_CEILING))
    return f"{chosen.normalize():f}"
