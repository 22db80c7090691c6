"""`claude.map(…, batch=True)`: sent as message batches at half the price, and collected later, even from another kernel.

What is written down (below the journal) are the batch's ids, the hash of every row's request and the columns of the ledger; the answers
come to where a map's answers are kept (`results.py`), so that the same `map` without `batch` finds them too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from claude_jupyter.client import message_batches
from claude_jupyter.client.events import Reply
from claude_jupyter.client.schemas import Returns
from claude_jupyter.conversation.ask.request import build
from claude_jupyter.conversation.billing import Bill
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.map.batch_store import Record, Records
from claude_jupyter.conversation.map.forecast import one_of
from claude_jupyter.conversation.map.mapper import Mapper, read
from claude_jupyter.conversation.map.plan import Backlog, Plan
from claude_jupyter.conversation.map.results import Results, StoredResult
from claude_jupyter.costs.budget import Budgets, Estimate, check
from claude_jupyter.costs.ledger.calls import UNBILLED, Call, Reserve, Spent, Where
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import ReplayError, ReturnsError, UsageError
from claude_jupyter.interrupts import in_one_line, uninterrupted

_POLL: Final = (5.0, 60.0)
"""Seconds between two looks at a batch that is waited for: first, and at most."""

Counter = Callable[[Usage, Cost | None], None]


@dataclass
class Batch:
    """A map that the service processes as a batch.

    Attributes
    ----------
    record
        What is saved about it.
    """

    env: Environment
    record: Record
    count: Counter
    plan: Plan | None = None
    _status_by_part: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]], init=False)

    @property
    def id(self) -> str:
        """The service's id; of several parts the first one's."""
        return self.record.id

    @property
    def status(self) -> str:
        """`in_progress`, `canceling` or `ended`, as the service says now."""
        self._look()
        states = [i["processing_status"] for i in self._status_by_part.values()]
        return next((s for s in ("in_progress", "canceling") if s in states), "ended")

    @property
    def counts(self) -> dict[str, int]:
        """Number of requests by outcome: processing, succeeded, errored, canceled, expired."""
        self._look()
        counts: dict[str, int] = {}
        for one in self._status_by_part.values():
            for name, number in one["request_counts"].items():
                counts[name] = counts.get(name, 0) + number
        return counts

    @property
    def cost(self) -> Cost | None:
        """List price (half the usual price) of what was collected; None if nothing was, or its price is not known."""
        return self.record.cost

    @in_one_line("Stopped. What was collected is kept; collect() continues from there.")
    def collect(self, wait: bool = False, *, returns: Any = None) -> Any:
        """The results in order, in the same form as the input; in another kernel, which does not have the rows, a list.

        Parameters
        ----------
        wait
            Wait until the service is done; otherwise an unfinished batch raises an error that says how far it is.
        returns
            The type of the results, in a kernel other than the one that asked; without it they are plain dicts.

        Raises
        ------
        UsageError
            If it is not done and `wait` is False.
        ClaudeError
            As for a question.
        """
        if wait:
            self._wait()
        elif self.record.parts and not self.record.collected and self.status != "ended":
            counts = self.counts
            remaining = counts.get("processing", 0)
            raise UsageError(
                f"{self.id} is not done: {remaining:,} of {sum(counts.values()):,} requests are left. collect(wait=True) waits; "
                "claude.batches lists it, also in another kernel."
            )
        results = Results(self.env.journal, self.record.kind)
        self._fetch(results)
        value = self._value(results, returns)
        results.release()
        return value

    def cancel(self) -> Batch:
        """Ask the service to end it early; results finished by then are charged and can be collected."""
        for name in self.record.parts:
            if self._status_by_part.get(name, {}).get("processing_status") != "ended":
                self._status_by_part[name] = message_batches.cancel(self.env.service, name)
        return self

    def __repr__(self) -> str:
        state = "collected" if self.record.collected else "submitted"
        created = datetime.fromisoformat(self.record.at).astimezone().strftime("%Y-%m-%d %H:%M")
        return f"<Batch {self.id}: {len(self.record.keys):,} rows, {self.record.model}, {state} ({created}): {self.record.prompt!r}>"

    def _look(self) -> None:
        for name in self.record.parts:
            if self._status_by_part.get(name, {}).get("processing_status") != "ended":
                self._status_by_part[name] = message_batches.info(self.env.service, name)

    def _wait(self) -> None:
        if not self.record.parts or self.record.collected or self.status == "ended":
            return
        pause, most = _POLL
        total = sum(self.counts.values())
        line = self.env.frontend.progress(total, 0)
        try:
            while self.status != "ended":
                line.set(total - self.counts.get("processing", 0), "")
                time.sleep(pause)
                pause = min(most, pause * 1.5)
            line.set(total, "")
        finally:
            line.close()

    def _fetch(self, results: Results) -> None:
        """Take in the parts that were not: answers kept, a ledger row each."""
        records = Records(self.env.journal)
        self.record = records.newest(self.record)
        billed = self._billed() if self.record.taken or not self.record.collected else frozenset[str]()
        for part in [p for p in self.record.parts if p not in self.record.collected]:
            taking, whole = _Taking(self, results, billed), False
            try:
                for line in message_batches.results(self.env.service, part):
                    if line.id not in self.record.taken:
                        with uninterrupted():
                            taking.take(line)
                whole = True
            finally:
                # Where the line broke or somebody stopped it, the next collection continues from here.
                self.record = taking.record.with_part(part) if whole else taking.record
                if self.record.done:
                    self.record = _released(self.env, self.record)
                records.keep(self.record)

    def _billed(self) -> frozenset[str]:
        """Messages of this batch that have their row: a kernel that was killed while it collected may have noted no more than that."""
        accounts, record = self.env.billing.accounts, self.record
        rows = accounts.rows(Where(since=datetime.fromisoformat(record.at)))
        return frozenset(
            r["request_id"] for r in rows if r["turn"] == record.turn and r["request_id"] and r["complete"]
        )

    def bill(self, message: Mapping[str, Any]) -> Cost | None:
        """Write the ledger's row of one result, and count it; its price."""
        record, billing = self.record, self.env.billing
        call = Call(
            model=record.model,
            provider=record.provider,
            user=billing.owner.user,
            kernel=billing.owner.kernel,
            notebook=billing.owner.notebook,
            cell=record.cell,
            chat=record.chat,
            turn=record.turn,
            at=datetime.now(UTC),
        )
        accounts = billing.accounts
        row = accounts.start(call)
        usage = {**(message.get("usage") or {}), "service_tier": "batch"}
        # A batch has no request of its own for each row: its message id stands for it.
        reply = Reply(message, True, False, None, str(message.get("id") or "") or None, None, 0.0)
        used, cost = Bill(billing, accounts, call, row, {}, record.ttl).close(reply, usage)
        self.count(used, cost)
        return cost

    def _value(self, results: Results, returns: Any) -> Any:
        record, plan = self.record, self.plan
        if plan is not None and returns is None:
            values, problems = read(plan, results, record.keys, record.problems)
            value: Any = plan.rows.like(values, problems, plan.fields)
        else:
            kind = Returns(returns) if returns is not None else None
            pairs = [_plainly(results, key, record, kind) for key in record.keys]
            value, problems = [v for v, _ in pairs], [p for _, p in pairs]
        failed = [p for p in problems if p is not None]
        if failed:
            self.env.frontend.show(
                f"{len(failed):,} of {len(problems):,} rows with an error, the first: {failed[0]}"
            )
        return value


class _Taking:
    """The results of one part as they are taken in: kept, billed, and noted in the record."""

    def __init__(self, batch: Batch, results: Results, billed: frozenset[str]) -> None:
        self._batch = batch
        self._billed = billed
        self._results = results
        self._hashes: list[str] = []
        self._problems: dict[str, str] = {}
        self.cost = Cost()

    def take(self, line: message_batches.ResultLine) -> None:
        """Take in one result."""
        self._hashes.append(line.id)
        if line.message is None:
            self._problems[line.id] = line.problem or "No result."
            return
        if line.message.get("id") not in self._billed:
            self.cost = Cost.total((self.cost, self._batch.bill(line.message)))
        text, problem = _text_of(line.message)
        if problem is not None:
            self._problems[line.id] = problem
        else:
            self._results.keep(line.id, StoredResult(text, line.message.get("stop_reason") == "max_tokens"))

    @property
    def record(self) -> Record:
        """The batch's record with what was taken in."""
        return self._batch.record.with_results(self._hashes, self._problems, self.cost)


class Batches(tuple[Batch, ...]):
    """Batches, newest first; a line each when shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "no batches: claude.map(…, batch=True) creates one"


@in_one_line(
    "Stopped. If the batch was sent, claude.batches lists it; run the cell again: nothing is sent twice."
)
def submit(plan: Plan, count: Counter) -> Batch:
    """Send what has no kept answer as batches.

    Raises
    ------
    ClaudeError
        As for a map; nothing is sent then.
    """
    if plan.env.settings.replay == "only":
        raise ReplayError(
            'replay = "only" never uses the network, and batches are not recorded: leave out batch=True.'
        )
    results = plan.results(afresh=plan.options.no_replay)
    backlog = plan.backlog(results)
    records = Records(plan.env.journal)
    kind = results.kind
    missing = set(backlog.sizes)
    for older in records.all():
        if missing and older.kind == kind and not older.done and missing <= set(older.keys):
            plan.env.frontend.show(f"These rows are already in progress as {older.id}; nothing was sent.")
            return Batch(plan.env, older.in_order(backlog.keys), count, plan)
    mapper = Mapper(plan, count)
    waiting, usd = mapper.first(results, backlog)
    backlog = backlog._replace(problems={**backlog.problems, **mapper.problems})
    record = Record.of(plan, kind, backlog, _set_aside(plan, backlog, waiting, usd))
    try:
        for chunk in _chunks(_items(plan, backlog, waiting)):
            record = message_batches.create(plan.env.service, chunk, partial(records.keep_sent, record))
    finally:
        if not record.parts:
            record = _released(plan.env, record)
    results.release()
    return Batch(plan.env, record, count, plan)


def listed_batches(env: Environment, count: Counter) -> Batches:
    """The saved batches, newest first."""
    return Batches(Batch(env, record, count) for record in Records(env.journal).all())


_LIKELY: Final = 400
"""Tokens that an answer about one row is taken to have, if none was asked about first."""


def _set_aside(plan: Plan, backlog: Backlog, waiting: Sequence[str], usd: Decimal | None) -> str | None:
    """Set aside in the budgets what the batch is likely to cost: it is billed when it is collected, by whatever kernel."""
    accounts, settings = plan.env.billing.accounts, plan.env.settings
    if not waiting or plan.provider in UNBILLED:
        return None
    one = one_of(plan, backlog, batch=True)
    tokens = Usage(input=sum(backlog.sizes[key] for key in waiting))
    if usd is None and one.input is not None:
        usd = (one.input + one.each * min(_LIKELY, one.max_tokens)) * len(waiting)
    whole = Estimate(plan.model, tokens, usd, Decimal(0), 1)

    def allow(spent: Spent) -> Reserve:
        check(spent, Budgets.of(settings), whole, overrides=settings.prices)
        return Reserve(usd or Decimal(0))

    owner = plan.env.billing.owner
    call = Call(plan.model, plan.provider, owner.user, owner.kernel, owner.notebook)
    return accounts.hold(call, allow)


def _released(env: Environment, record: Record) -> Record:
    if record.held is not None:
        env.billing.accounts.release(record.held)
    return replace(record, held=None)


def _items(plan: Plan, backlog: Backlog, waiting: Sequence[str]) -> Iterator[message_batches.Item]:
    for row in plan.rows_of(backlog, waiting):
        yield message_batches.Item.of(row.key, build(row.question, plan.env.settings)[0])


def _chunks(items: Iterable[message_batches.Item]) -> Iterator[list[message_batches.Item]]:
    chunk: list[message_batches.Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) >= message_batches.MOST or size + item.size > message_batches.LARGEST):
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
        return "", "Claude called a tool, which a batch cannot run: leave out batch=True."
    texts = [b["text"] for b in message.get("content") or () if b["type"] == "text"]
    return "".join(texts), None


def _plainly(results: Results, key: str, record: Record, kind: Returns | None) -> tuple[Any, str | None]:
    if key not in results:
        return None, record.problems.get(key, "Not asked.")
    result = results[key]
    problem = "Cut off at max_tokens." if result.cut else None
    try:
        if kind is not None:
            return kind.value(result.text), problem
        return (_unwrapped(json.loads(result.text)) if record.structured else result.text), problem
    except (ReturnsError, ValueError) as error:
        return None, problem or str(error)


def _unwrapped(data: Any) -> Any:
    return data["value"] if isinstance(data, dict) and set(data) == {"value"} else data
