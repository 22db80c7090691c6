"""`claude.map(…, batch=True)`: sent as message batches, collected later, also from another kernel, at half the price.

What is written down (below the journal) are the batch's ids, the hash of every row's request and the columns of the ledger; the answers
come to where a map's answers are kept (`results.py`), so that the same `map` without `batch` finds them too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from claude_jupyter.client import batches as wire
from claude_jupyter.client.events import Reply
from claude_jupyter.client.schemas import Returns
from claude_jupyter.conversation.billing import Bill
from claude_jupyter.conversation.interrupts import uninterrupted
from claude_jupyter.conversation.mapping import read
from claude_jupyter.conversation.plan import Plan, Stock, ask_first, estimates
from claude_jupyter.conversation.records import Record, Records
from claude_jupyter.conversation.request import build
from claude_jupyter.conversation.results import Found, Results
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.budget import Budgets, check
from claude_jupyter.costs.calls import UNBILLED, Call, Reserve, Spent
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import ReplayError, ReturnsError, UsageError

_POLL: Final = (5.0, 60.0)
"""Seconds between two looks at a batch that is waited for: first, and at most."""

Counter = Callable[[Usage, Cost], None]


@dataclass
class Batch:
    """A map that the service works off by itself.

    Attributes
    ----------
    record
        What is written down of it.
    """

    world: World
    record: Record
    count: Counter
    plan: Plan | None = None
    _told: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]], init=False)

    @property
    def id(self) -> str:
        """The service's id; of several parts the first one's."""
        return self.record.id

    @property
    def status(self) -> str:
        """`in_progress`, `canceling` or `ended`, as the service says now."""
        self._look()
        states = [i["processing_status"] for i in self._told.values()]
        return next((s for s in ("in_progress", "canceling") if s in states), "ended")

    @property
    def counts(self) -> dict[str, int]:
        """Requests by what became of them: processing, succeeded, errored, canceled, expired."""
        self._look()
        counts: dict[str, int] = {}
        for one in self._told.values():
            for name, number in one["request_counts"].items():
                counts[name] = counts.get(name, 0) + number
        return counts

    @property
    def cost(self) -> Cost | None:
        """List price (half of the usual) of what was collected; None where nothing was, or its price is not known."""
        return self.record.cost

    def collect(self, wait: bool = False, *, returns: Any = None) -> Any:
        """The results, in order, as what the rows came in; a list in another kernel, where the rows are not at hand.

        Parameters
        ----------
        wait
            Wait until the service is done; else it says how far it is.
        returns
            The type of the results, in another kernel than the one that asked; without it they are plain dicts.

        Raises
        ------
        UsageError
            Where it is not done and `wait` is False.
        ClaudeError
            As for a question.
        """
        if wait:
            self._wait()
        elif self.record.parts and not self.record.collected and self.status != "ended":
            counts = self.counts
            left = counts.get("processing", 0)
            raise UsageError(
                f"{self.id} is not done: {left:,} of {sum(counts.values()):,} requests are left. collect(wait=True) waits; "
                "claude.batches lists it, also in another kernel."
            )
        results = Results(self.world.journal, self.record.kind)
        self._fetch(results)
        made = self._made(results, returns)
        results.release()
        return made

    def cancel(self) -> Batch:
        """Ask the service to end it early; what is done by then is charged and can be collected."""
        for name in self.record.parts:
            if self._told.get(name, {}).get("processing_status") != "ended":
                self._told[name] = wire.cancel(self.world.service, name)
        return self

    def __repr__(self) -> str:
        state = "collected" if self.record.collected else "submitted"
        made = datetime.fromisoformat(self.record.at).astimezone().strftime("%Y-%m-%d %H:%M")
        return f"<Batch {self.id}: {len(self.record.keys):,} rows, {self.record.model}, {state} ({made}): {self.record.prompt!r}>"

    def _look(self) -> None:
        for name in self.record.parts:
            if self._told.get(name, {}).get("processing_status") != "ended":
                self._told[name] = wire.info(self.world.service, name)

    def _wait(self) -> None:
        from tqdm import tqdm

        if not self.record.parts or self.record.collected or self.status == "ended":
            return
        pause, most = _POLL
        with tqdm(total=sum(self.counts.values()), unit="row", dynamic_ncols=True) as bar:
            while self.status != "ended":
                bar.n = bar.total - self.counts.get("processing", 0)
                bar.refresh()
                time.sleep(pause)
                pause = min(most, pause * 1.5)
            bar.n = bar.total
            bar.refresh()

    def _fetch(self, results: Results) -> None:
        """Take in the parts that were not: answers kept, a ledger row each."""
        records = Records(self.world.journal)
        self.record = records.newest(self.record)
        for part in [p for p in self.record.parts if p not in self.record.collected]:
            taking, whole = _Taking(self, results), False
            try:
                for line in wire.results(self.world.service, part):
                    if line.id not in self.record.taken:
                        with uninterrupted():
                            taking.take(line)
                whole = True
            finally:
                # Where the line broke or somebody stopped it, the next collection goes on from here.
                self.record = taking.record.with_part(part) if whole else taking.record
                if self.record.done:
                    self.record = _let_go(self.world, self.record)
                records.keep(self.record)
                self.count(taking.usage, taking.cost)

    def bill(self, message: Mapping[str, Any]) -> tuple[Usage, Cost | None]:
        """Write the ledger's row of one result."""
        record, books = self.record, self.world.books
        call = Call(
            model=record.model,
            provider=record.provider,
            user=books.owner.user,
            kernel=books.owner.kernel,
            notebook=books.owner.notebook,
            cell=record.cell,
            chat=record.chat,
            turn=record.turn,
            at=datetime.now(UTC),
        )
        accounts = books.accounts
        row = accounts.start(call) if accounts is not None else None
        usage = {**(message.get("usage") or {}), "service_tier": "batch"}
        reply = Reply(message, True, False, None, None, None, 0.0)
        return Bill(books, accounts, call, row, {}, record.ttl).close(reply, usage)

    def _made(self, results: Results, returns: Any) -> Any:
        record, plan = self.record, self.plan
        if plan is not None and returns is None:
            values, problems = read(plan, results, record.keys, record.problems)
            made: Any = plan.rows.like(values, problems, plan.fields)
        else:
            kind = Returns(returns) if returns is not None else None
            pairs = [_plainly(results, key, record, kind) for key in record.keys]
            made, problems = [v for v, _ in pairs], [p for _, p in pairs]
        failed = [p for p in problems if p is not None]
        if failed:
            self.world.show(
                f"{len(failed):,} of {len(problems):,} rows with an error, the first: {failed[0]}"
            )
        return made


class _Taking:
    """The results of one part as they are taken in: kept, billed, and noted in the record."""

    def __init__(self, batch: Batch, results: Results) -> None:
        self._batch = batch
        self._results = results
        self._taken: list[str] = []
        self._problems: dict[str, str] = {}
        self.usage = Usage()
        self.cost = Cost()

    def take(self, line: wire.Line) -> None:
        """Take in one result."""
        self._taken.append(line.id)
        if line.message is None:
            self._problems[line.id] = line.problem or "No result."
            return
        used, cost = self._batch.bill(line.message)
        self.usage = self.usage + used
        self.cost = Cost.total((self.cost, cost))
        text, problem = _text_of(line.message)
        if problem is not None:
            self._problems[line.id] = problem
        else:
            self._results.keep(line.id, Found(text, line.message.get("stop_reason") == "max_tokens"))

    @property
    def record(self) -> Record:
        """The batch's record with what was taken in."""
        return self._batch.record.with_results(self._taken, self._problems, self.cost)


class Batches(tuple[Batch, ...]):
    """Batches, newest first; a line each when shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "no batches: claude.map(…, batch=True) makes one"


def submit(plan: Plan, count: Counter) -> Batch:
    """Send what has no kept answer as batches.

    Raises
    ------
    ClaudeError
        As for a map; nothing is sent then.
    """
    if plan.world.settings.replay == "only" and not plan.options.no_replay:
        raise ReplayError(
            'replay = "only" asks nobody, and a batch has no recordings: map without batch=True, or with no_replay=True.'
        )
    results = plan.results(afresh=plan.options.no_replay)
    stock = plan.stock(results)
    records = Records(plan.world.journal)
    kind = results.kind
    missing = {k for k in stock.keys if k not in results} - set(stock.problems)
    for older in records.all():
        if missing and older.kind == kind and not older.done and missing <= set(older.keys):
            plan.world.show(f"These rows are under way already, as {older.id}: nothing was sent.")
            return Batch(plan.world, older.as_asked(stock.keys), count, plan)
    ask_first(plan, stock, batch=True)
    record = Record.of(plan, kind, stock, _set_aside(plan, stock))
    try:
        for chunk in _chunks(_items(plan, results, stock)):
            record = record.with_sent(str(wire.create(plan.world.service, chunk)["id"]))
            records.keep(record)  # at once, whatever happens to the next one
    finally:
        if not record.parts:
            record = _let_go(plan.world, record)
    results.release()
    return Batch(plan.world, record, count, plan)


def listed_batches(world: World, count: Counter) -> Batches:
    """The batches that are written down, newest first."""
    return Batches(Batch(world, record, count) for record in Records(world.journal).all())


def _set_aside(plan: Plan, stock: Stock) -> str | None:
    """Set aside in the budgets what the batch is likely to cost: it is billed when it is collected, by whatever kernel."""
    accounts, settings = plan.world.books.accounts, plan.world.settings
    if accounts is None or not stock.missing or plan.provider in UNBILLED:
        return None
    _, whole = estimates(plan, stock, batch=True)

    def allow(spent: Spent) -> Reserve:
        check(spent, Budgets.of(settings), whole, overrides=settings.prices)
        return Reserve((whole.input or Decimal(0)) + whole.each * whole.max_tokens)

    owner = plan.world.books.owner
    call = Call(plan.model, plan.provider, owner.user, owner.kernel, owner.notebook)
    return accounts.hold(call, allow)


def _let_go(world: World, record: Record) -> Record:
    if record.held is not None and world.books.accounts is not None:
        world.books.accounts.release(record.held)
    return replace(record, held=None)


def _items(plan: Plan, results: Results, stock: Stock) -> Iterator[wire.Item]:
    for row in plan.missing(results, stock):
        yield wire.Item.of(row.key, build(row.question, plan.world.settings)[0])


def _chunks(items: Iterable[wire.Item]) -> Iterator[list[wire.Item]]:
    chunk: list[wire.Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) >= wire.MOST or size + item.size > wire.LARGEST):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item.size
    if chunk:
        yield chunk


def _text_of(message: Mapping[str, Any]) -> tuple[str, str | None]:
    reason = message.get("stop_reason")
    if reason == "refusal":
        return "", "Claude declined to answer."
    if reason in ("tool_use", "pause_turn"):
        return "", "It asked for a tool, which a batch cannot run: map without batch=True."
    texts = [b["text"] for b in message.get("content") or () if b["type"] == "text"]
    return "".join(texts), None


def _plainly(results: Results, key: str, record: Record, kind: Returns | None) -> tuple[Any, str | None]:
    if key not in results:
        return None, record.problems.get(key, "Not asked.")
    found = results[key]
    problem = "Cut at max_tokens." if found.cut else None
    try:
        if kind is not None:
            return kind.value(found.text), problem
        return (_unwrapped(json.loads(found.text)) if record.structured else found.text), problem
    except (ReturnsError, ValueError) as error:
        return None, problem or str(error)


def _unwrapped(data: Any) -> Any:
    return data["value"] if isinstance(data, dict) and set(data) == {"value"} else data
