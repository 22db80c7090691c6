"""Forecasts what a map will cost. The length of answers cannot be known in advance, so a few rows are asked first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.map.plan import Backlog, Plan
from claude_jupyter.costs import budget
from claude_jupyter.costs.ledger.calls import UNBILLED
from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.errors import BudgetError

SAMPLE: Final = 8
"""This many rows are asked to forecast what the rest will cost."""

_BATCH: Final = Decimal("0.5")
_GOLDEN: Final = 0.618034


class Paid(NamedTuple):
    """A row that was answered: the estimated tokens of its prompt, and what it cost."""

    tokens: int
    cost: Cost


def one_of(plan: Plan, backlog: Backlog, *, batch: bool = False) -> budget.Estimate:
    """What one request of average length may cost."""
    longest = plan.options.max_tokens or plan.env.settings.max_tokens
    tokens = backlog.tokens // max(backlog.missing, 1)
    return budget.estimate(plan.model, tokens, longest, batch=batch, overrides=plan.env.settings.prices)


def refuse(plan: Plan, backlog: Backlog, *, batch: bool = False) -> None:
    """Refuse what no budget can hold, even if every answer is one word; nothing is sent then.

    Raises
    ------
    BudgetError
        As the budgets say.
    """
    env, settings = plan.env, plan.env.settings
    accounts, owner = env.billing.accounts, env.billing.owner
    if not backlog.missing or plan.provider in UNBILLED:
        return
    one = one_of(plan, backlog, batch=batch)
    least = None if one.input is None else one.input * backlog.missing
    whole = replace(one, prompt=Usage(input=backlog.tokens), input=least, each=one.each * backlog.missing)
    spent = accounts.spent(kernel=owner.kernel, notebook=owner.notebook, user=owner.user)
    budget.check(spent, budget.Budgets.of(settings), replace(whole, max_tokens=1), overrides=settings.prices)


def sample(
    plan: Plan, backlog: Backlog, waiting: Sequence[str], done: int, spent: Decimal, *, batch: bool = False
) -> Sequence[str]:
    """The rows to ask next, spread over all, before it is known what the rest costs; empty when enough is known.

    Together they stay below `confirm_above` even if every answer is as long as it may be.

    Parameters
    ----------
    done, spent
        How many rows were asked, and what they cost.

    Raises
    ------
    BudgetError
        If a single row may cost more than that, and the user said no or nobody could be asked.
    """
    env = plan.env
    most = one_of(plan, backlog).most
    limit = min(SAMPLE, backlog.missing // 4 if batch else backlog.missing)
    if most is None or (batch and not is_above(env, most * _BATCH * backlog.missing)):
        return ()
    count = limit - done
    if env.settings.confirm_above is not None and most > 0:
        count = min(count, int((Decimal(str(env.settings.confirm_above)) - spent) / most))
    if count < 1 and not done:
        first = "The first" if limit else "Each"
        question = f"{first} of {backlog.missing:,} requests to {plan.model} may cost {dollars(most)}."
        confirm(env, question, most)
        count = min(1, limit)
    if count < 1:
        return ()
    # One of each stretch, at another place in each: rows that recur at even distances would all be alike.
    step = len(waiting) / count
    return [waiting[int((n + n * _GOLDEN % 1) * step)] for n in range(count)]


def expected(plan: Plan, backlog: Backlog, paid: Sequence[Paid], waiting: Iterable[str]) -> Decimal | None:
    """Dollars that the rest will cost, as those that were paid did: by the prompt's length what was read, by number what was written.

    Returns
    -------
    Decimal or None
        None if nothing was paid yet.
    """
    # What all share is written to the cache by the first and read by the others, the rest among them.
    read = [p for p in paid if not p.cost.parts.get("cache_write")] or paid
    tokens = sum(p.tokens for p in read)
    if not tokens:
        return None
    keys = list(waiting)
    by_number = sum(sum(p.cost.parts.get(n, Decimal(0)) for n in ("output", "web_searches")) for p in paid)
    by_length = sum(sum(p.cost.parts.get(n, Decimal(0)) for n in _READ) for p in read)
    remaining = sum(backlog.sizes[key] for key in keys)
    return Decimal(by_length) * remaining / tokens + Decimal(by_number) * len(keys) / len(paid)


_READ: Final = ("input", "cache_read", "cache_write")


def announce(
    plan: Plan,
    backlog: Backlog,
    paid: Sequence[Paid],
    waiting: Sequence[str],
    spent: Decimal,
    *,
    batch: bool = False,
) -> Decimal | None:
    """Say what the rest will cost, and ask first where all is more than `confirm_above`.

    Returns
    -------
    Decimal or None
        What all is likely to cost, the rows that were asked included.

    Raises
    ------
    BudgetError
        If the user said no or nobody could be asked.
    """
    rest = expected(plan, backlog, paid, waiting)
    if rest is None or not waiting:
        return None
    rest = rest * _BATCH if batch else rest
    text = (
        f"{len(paid):,} of {backlog.missing:,} rows cost {dollars(spent)}: "
        f"the other {len(waiting):,} will cost about {dollars(rest)}{' as a batch' if batch else ''}."
    )
    if is_above(plan.env, spent + rest):
        confirm(plan.env, text, rest)
    else:
        plan.env.frontend.show(text)
    return spent + rest


def is_above(env: Environment, usd: Decimal) -> bool:
    """Whether so much has to be asked about first."""
    above = env.settings.confirm_above
    return above is not None and usd > Decimal(str(above))


def confirm(env: Environment, question: str, usd: Decimal) -> None:
    """Ask whether to continue.

    Raises
    ------
    BudgetError
        If the answer was no, or nobody can answer.
    """
    confirmed = env.frontend.confirm(f"{question} Continue?")
    if confirmed is None:
        above = dollars(Decimal(str(env.settings.confirm_above)))
        raise BudgetError(
            f"{question} That is more than confirm_above ({above}), and nobody can confirm it here. "
            f"Allow it with `%config ClaudeMagics.confirm_above = {budget.round_up(usd * 2)}`."
        )
    if not confirmed:
        raise BudgetError("Not sent, as you chose. Finished rows are kept.")
