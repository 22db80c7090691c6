"""One prompt over many rows, before anything is sent: what all requests share, each row's question, what is kept, what it may cost."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

from claude_jupyter import content, models
from claude_jupyter.client.events import Request
from claude_jupyter.client.schemas import Returns, is_dataframe
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.asking import Asking
from claude_jupyter.conversation.calls import Tool
from claude_jupyter.conversation.history import system_at
from claude_jupyter.conversation.preparing import (
    Ask,
    State,
    attached,
    chosen_model,
    offered,
    rules_for,
    toolbox_for,
)
from claude_jupyter.conversation.request import TTL, Question, build, content_of, prompt_of
from claude_jupyter.conversation.results import Results
from claude_jupyter.conversation.rows import Rows, fill
from claude_jupyter.conversation.world import World
from claude_jupyter.costs import budget
from claude_jupyter.costs.calls import UNBILLED
from claude_jupyter.costs.usage import Usage, dollars
from claude_jupyter.errors import AttachmentError, BudgetError, ContentTooLargeError, UsageError
from claude_jupyter.options import Options
from claude_jupyter.replay import request_hash
from claude_jupyter.turns import Answer, Attachment, Place

LIKELY: Final = 400
"""Tokens that an answer about one row is taken to have, before any has come."""

_POINTLESS: Final = ("chat", "background", "out", "code", "new", "dry_run")


class Row(NamedTuple):
    """One row to be asked about."""

    at: int
    key: str
    question: Question


class Stock(NamedTuple):
    """What there is to do.

    Attributes
    ----------
    keys
        The request's hash of every row; equal requests have equal ones and are asked once.
    missing
        How many different requests have no kept answer.
    tokens
        Prompt tokens of those, estimated.
    problems
        Why rows cannot be asked about at all, by key: a file that is not there, a picture that cannot be read.
    """

    keys: tuple[str, ...]
    missing: int
    tokens: int
    problems: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """A map that is ready to run.

    Attributes
    ----------
    place
        The cell that asks; the threads that send cannot know it.
    turn
        The number that all its ledger rows carry.
    """

    world: World
    place: Place
    rows: Rows
    prompt: str
    options: Options
    chat: str
    turn: int
    model: str
    system: str
    tools: tuple[Tool, ...]
    returns: Returns | None
    rules: Rules
    shared: tuple[Attachment, ...]
    ttl: TTL | None
    provider: str
    _redacted: dict[str, str] = field(default_factory=dict[str, str])

    def missing(self, results: Results, stock: Stock) -> Iterator[Row]:
        """The rows whose answers are not kept, equal requests once; questions are made when needed, so that none is held."""
        seen: set[str] = set(stock.problems)
        for at, row in enumerate(self.rows.each()):
            key = stock.keys[at]
            if key not in seen and key not in results:
                seen.add(key)
                yield Row(at, key, self._question(row))

    def results(self, *, afresh: bool = False) -> Results:
        """The kept answers to questions of this kind; none of them where all is asked afresh."""
        params = build(replace(self._bare, content=({"type": "text", "text": "-"},)), self.world.settings)[
            0
        ].params
        shared = {k: v for k, v in params.items() if k != "messages"}
        kind = request_hash({"prompt": self.prompt, "provider": self.provider, "request": shared})
        return Results(self.world.journal, kind, afresh=afresh)

    def stock(self, results: Results) -> Stock:
        """What is kept and what has to be asked.

        Raises
        ------
        ClaudeError
            For whatever can be known to be wrong beforehand.
        """
        keys: list[str] = []
        missing: set[str] = set()
        problems: dict[str, str] = {}
        tokens = 0
        for at, row in enumerate(self.rows.each()):
            try:
                question = self._question(row)
            except (AttachmentError, ContentTooLargeError) as error:
                keys.append(f"row {at}")
                problems[keys[-1]] = error.message
                continue
            key = request_hash(build(question, self.world.settings)[0].params)
            keys.append(key)
            if key not in results and key not in missing:
                missing.add(key)
                tokens += prompt_of(question).prompt
        return Stock(tuple(keys), len(missing), tokens, problems)

    def asking(self, question: Question) -> Asking:
        """The question, ready to run."""
        answer = Answer(
            id=uuid.uuid4().hex,
            chat=self.chat,
            turn=self.turn,
            model=self.model,
            provider=self.provider,
        )
        toolbox = toolbox_for(self.world, self.tools, self.rules)
        return Asking(self.world, question, answer, toolbox, returns=self.returns, place=self.place)

    @property
    def shares(self) -> bool:
        """Whether what the requests share is long enough to be cached: then the first is waited for."""
        if self.ttl is None:
            return False
        own = sum(a.tokens for a in self.shared)
        fixed = prompt_of(replace(self._bare, content=()))
        return own + fixed.prompt >= models.facts(self.model).cacheable

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a structured result, each a column of a frame."""
        return self.returns.fields if self.returns is not None else ()

    @property
    def _bare(self) -> Question:
        return Question(
            prompt=self.prompt,
            content=(),
            options=self.options,
            model=self.model,
            system=self.system,
            tools=tuple(dict(t.definition) for t in self.tools),
            format=self.returns.schema if self.returns is not None else None,
            ttl=self.ttl,
            apart=True,
        )

    def _question(self, row: Mapping[str, Any]) -> Question:
        filled = fill(self.prompt, row)
        own = tuple(a for name, value in filled.shown for a in content.attach(value, name, self.rules))
        text = self.rules.redact(filled.text)[0]
        blocks: tuple[Any, ...] = ()
        if filled.shared:
            blocks = content_of(self._redact_once(filled.shared), self.shared)
            if self.ttl is not None:
                control = {"type": "ephemeral", **({"ttl": "1h"} if self.ttl == "1h" else {})}
                blocks = (*blocks[:-1], {**blocks[-1], "cache_control": control})
            attached_blocks = tuple(b for a in own for b in a.blocks)
            blocks = (*blocks, *attached_blocks, *([{"type": "text", "text": text}] if text else []))
        else:
            blocks = content_of(text, (*self.shared, *own))
        return replace(
            self._bare, prompt=text or filled.shared, content=blocks, attachments=(*self.shared, *own)
        )

    def _redact_once(self, text: str) -> str:
        if text not in self._redacted:
            self._redacted[text] = self.rules.redact(text)[0]
        return self._redacted[text]


def planned(world: World, state: State, number: int, values: Any, prompt: str, options: Options) -> Plan:
    """A plan from what was asked.

    Raises
    ------
    ClaudeError
        For whatever can be known to be wrong beforehand; nothing is sent.
    """
    for name in _POINTLESS:
        if getattr(options, name):
            raise UsageError(f"map takes no {name}=: it gives back the results of all rows")
    if is_dataframe(options.returns):
        raise UsageError(
            'map takes no returns="dataframe": each row has one result; name a model of its fields'
        )
    if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f'the prompt is text, not {type(prompt).__name__}: claude.map(df, "What is {{column}} about?")'
        )
    if not prompt.strip():
        raise UsageError('the prompt is empty: claude.map(df, "What is {column} about?")')
    settings = world.settings
    model = chosen_model(world, state, options)
    rules = rules_for(world, options, model, ())
    if rules.rows == "none":
        raise UsageError('rows = none keeps rows in, and map sends them: allow it with rows="all"')
    rows = Rows.of(values)
    returns = Returns(options.returns) if options.returns is not None else None
    rows.refuse_slips(prompt)
    rows.refuse_taken(returns.fields if returns is not None else ())
    system = options.system if options.system is not None else system_at(state.turns, state.system)
    ask = Ask(prompt, (), options, None, None, number, world.place())
    tools = offered(state, ask)
    if asking := [t.name for t in tools if t.confirm]:
        raise UsageError(f"map cannot stop to ask, and {asking[0]} asks first (confirm=True)")
    shared = attached(world, ask, rules, ())
    cache = settings.cache
    # Having the service count each prompt would be one more request a row.
    books = replace(world.books, count=_uncounted)
    return Plan(
        world=replace(world, books=books),
        place=world.place(),
        rows=rows,
        prompt=prompt,
        options=options,
        chat=state.name,
        turn=number,
        model=model,
        system=rules.redact(system)[0],
        tools=tools,
        returns=returns,
        rules=rules,
        shared=shared,
        ttl=None if cache == "off" else "1h" if cache == "1h" else "5m",
        provider=world.service.provider,
    )


def _uncounted(_request: Request) -> int | None:
    return None


def ask_first(plan: Plan, stock: Stock, *, batch: bool = False) -> Decimal | None:
    """Refuse what a budget will not allow, and ask about what is likely to cost more than `confirm_above`.

    Returns
    -------
    Decimal or None
        What it is likely to cost; None where the price is not known.

    Raises
    ------
    BudgetError
        As the budgets say, or where the user said no or nobody could be asked.
    """
    world, settings = plan.world, plan.world.settings
    if not stock.missing or plan.provider in UNBILLED:
        return None
    count = stock.missing
    each, whole = estimates(plan, stock, batch=batch)
    likely = None if whole.input is None else whole.input + whole.each * whole.max_tokens
    owner, accounts = world.books.owner, world.books.accounts
    if accounts is not None:
        spent = accounts.spent(kernel=owner.kernel, notebook=owner.notebook, user=owner.user)
        budget.check(spent, budget.Budgets.of(settings), whole, overrides=settings.prices)
    if likely is not None and likely > Decimal(str(settings.confirm_above)):
        question = (
            f"{count:,} requests of about {stock.tokens // count:,} tokens to {plan.model}: about {dollars(likely)}, "
            f"{dollars(each.most)} if every answer is as long as it may be."
        )
        agreed(world, question, likely)
    return likely


def estimates(plan: Plan, stock: Stock, *, batch: bool) -> tuple[budget.Estimate, budget.Estimate]:
    """What one request would cost, and all of them as one with answers of likely length: what is left must do for all."""
    settings, count = plan.world.settings, stock.missing
    longest = plan.options.max_tokens or settings.max_tokens
    each = budget.estimate(
        plan.model, stock.tokens // count, longest, requests=count, batch=batch, overrides=settings.prices
    )
    answer = min(LIKELY, longest)
    whole = budget.Estimate(plan.model, Usage(input=stock.tokens), each.least, each.each * count, answer)
    return each, whole


def agreed(world: World, question: str, usd: Decimal) -> None:
    """Ask whether to go on.

    Raises
    ------
    BudgetError
        Where the answer was no, or nobody can answer.
    """
    said = world.confirm(f"{question} Go on?")
    if said is None:
        above = dollars(Decimal(str(world.settings.confirm_above)))
        raise BudgetError(
            f"{question} That is more than confirm_above ({above}), and nobody can be asked here. "
            f"Allow it with `%config ClaudeMagics.confirm_above = {usd * 2:.2f}`."
        )
    if not said:
        raise BudgetError("Not sent, as you asked. What is done is kept.")
