"""`claude.map`: one prompt over many rows, many at once, each answer kept as it comes.

The calling thread hands out the rows and hears what happens to them; each row is a question (`ask/run.py`) on a thread of its own.
How many at once is `concurrency.py`, what is sent `plan.py`, what is kept `results.py`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from claude_jupyter import errors
from claude_jupyter.answer.model import Add, Answer, Put, Status
from claude_jupyter.client.sdk_errors import LONGEST
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.ask.question import prompt_of
from claude_jupyter.conversation.ask.spans import mapping
from claude_jupyter.conversation.environment import Frontend
from claude_jupyter.conversation.map import forecast
from claude_jupyter.conversation.map.concurrency import CEILING, FIRST, Throttle
from claude_jupyter.conversation.map.plan import Backlog, Plan, Row
from claude_jupyter.conversation.map.results import Results, StoredResult
from claude_jupyter.costs.ledger.calls import UNBILLED
from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.errors import ClaudeError, ReturnsError, StoppedError
from claude_jupyter.interrupts import LONGEST_WAIT, SafeEvent, started, uninterrupted

_TRIES: Final = 4
_BURSTS: Final = 6
_HOPELESS: Final = 20
"""This many refusals without a single answer end a map: the question is wrong, not a row."""
_SOME: Final = 20
_CUT: Final = "Cut off at max_tokens: allow more with max_tokens=."

_FATAL: Final = (
    errors.AuthenticationError,
    errors.PermissionDeniedError,
    errors.NotFoundError,
    errors.PaymentRequiredError,
    errors.MissingExtraError,
    errors.BudgetError,
    errors.ReplayError,
    errors.UsageError,
)
_PASSING: Final = (errors.RateLimitError, errors.InternalServerError, errors.APIConnectionError)


class _Began(NamedTuple):
    """The service began to answer; `limits` are its rate-limit headers."""

    limits: Mapping[str, str]


class _Busy(NamedTuple):
    """The service refused for now; the row waits and tries again."""

    text: str
    seconds: float


class _Done(NamedTuple):
    """A row is over."""

    row: Row
    answer: Answer
    error: ClaudeError | None


class _Bug(NamedTuple):
    """A row's thread failed in a way that is not a failure of the service."""

    error: BaseException


class Mapper:
    """A map in progress.

    Parameters
    ----------
    count
        Told of the tokens and the price of each request, from its own thread: also of one that ends after the map.
    limit
        How many requests may be in progress at once.
    """

    def __init__(
        self, plan: Plan, count: Callable[[Usage, Cost | None], None], limit: int | None = None
    ) -> None:
        if limit is not None and not (isinstance(limit, int) and limit >= 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.UsageError("limit is how many requests may run at once: 1 or more")
        self.plan = plan
        self._count = count
        self._costs: list[Cost | None] = []
        self._errors: dict[str, str] = {}
        self._throttle = Throttle(limit or CEILING, limit=1.0 if plan.shares else FIRST)
        self._news: deque[_Began | _Busy | _Done | _Bug] = deque()
        self._bell = SafeEvent()
        self._stops: dict[str, Stop] = {}
        self._again: deque[Row] = deque()
        self._tries: dict[str, int] = {}
        self._answered = 0
        self._replayed = 0
        self._failed = 0
        self._bursts = 0
        self._last_burst = -1e9
        self._agreed: Decimal | None = None
        self._paid: list[forecast.Paid] = []

    @property
    def cost(self) -> Cost:
        """List price of what was asked so far."""
        return Cost.total(self._costs)

    def run(self) -> Any:
        """Ask about every row that has no kept answer; returns all results in the form of the input.

        Raises
        ------
        StoppedError
            When interrupted: what is done is kept.
        ClaudeError
            If every row would fail, or a budget is used up.
        """
        plan = self.plan
        results = plan.results(afresh=plan.options.no_replay)
        backlog = plan.backlog(results)
        self._errors.update(backlog.problems)
        forecast.refuse(plan, backlog)
        if backlog.missing:
            with mapping(plan.env.settings.tracing, plan.model):
                self._ask(results, backlog)
        return self._mapped(results, backlog)

    def first(self, results: Results, backlog: Backlog) -> tuple[Sequence[str], Decimal | None]:
        """Ask a few rows to forecast what a batch of the rest will cost, if that may be a lot.

        Returns
        -------
        The keys of the rest, and what it is likely to cost; None if it was not found out.

        Raises
        ------
        ClaudeError
            As `run`; also where the user does not want the batch at that price.
        """
        forecast.refuse(self.plan, backlog, batch=True)
        waiting = self._ask(results, backlog, batch=True) if backlog.missing else ()
        return waiting, None if self._agreed is None else self._agreed - self.cost

    @property
    def problems(self) -> Mapping[str, str]:
        """Why rows have no answer, by key."""
        return self._errors

    def _ask(self, results: Results, backlog: Backlog, *, batch: bool = False) -> Sequence[str]:
        """Ask about all rows, a few first; of a batch about those only. The keys of the rest."""
        waiting: Sequence[str] = ()
        with _Progress(
            self.plan.env.frontend, len(backlog.keys), len(backlog.keys) - backlog.missing, visible=not batch
        ) as progress:
            try:
                waiting = self._ask_some(results, backlog, progress, batch)
                if not batch:
                    self._dispatch(self.plan.rows_of(backlog, waiting), results, backlog, progress)
            except KeyboardInterrupt:
                self._wind_up(results)
                raise StoppedError(self._done_so_far("Stopped", backlog)) from None
            except ClaudeError as error:
                self._wind_up(results)
                if self._answered:
                    error.message = self._done_so_far(error.message.rstrip("."), backlog)
                    error.args = (error.message,)
                raise
            except (
                BaseException
            ):  # a bug, or an error in the user's code: no request may continue whose answer is not kept
                self._wind_up(results)
                raise
        return waiting

    def _ask_some(
        self, results: Results, backlog: Backlog, progress: _Progress, batch: bool
    ) -> Sequence[str]:
        """Ask a few rows, say what the rest will cost, and ask whether to continue if that is a lot; returns the keys of the rest."""
        plan, waiting = self.plan, list(backlog.sizes)
        if plan.provider in UNBILLED:
            return waiting
        while some := forecast.sample(
            plan, backlog, waiting, backlog.missing - len(waiting), self.cost, batch=batch
        ):
            self._dispatch(plan.rows_of(backlog, some), results, backlog, progress)
            waiting = [key for key in waiting if key not in set(some)]
        self._agreed = forecast.announce(plan, backlog, self._paid, waiting, self.cost, batch=batch)
        return waiting

    def _done_so_far(self, what: str, backlog: Backlog) -> str:
        done = len(backlog.keys) - backlog.missing + self._answered
        return (
            f"{what}. {done:,} of {len(backlog.keys):,} rows are answered ({dollars(self.cost)}) and kept: "
            "run it again to ask only the rest."
        )

    def _dispatch(self, rows: Iterator[Row], results: Results, backlog: Backlog, progress: _Progress) -> None:
        more = True
        while more or self._again or self._throttle.running:
            while (more or self._again) and self._throttle.may_start():
                row = self._again.popleft() if self._again else next(rows, None)
                if row is None:
                    more = False
                    break
                self._start(row)
            if not (more or self._again or self._throttle.running):
                break
            wait = self._throttle.waits()
            self._listen(min(LONGEST_WAIT, wait) if wait else LONGEST_WAIT)
            while self._news:
                with uninterrupted():  # what is paid for is kept, even if an interrupt arrives now
                    news = self._news.popleft()
                    self._hear(news, results, progress)
                if isinstance(news, _Done):
                    self._ask_again(backlog)

    def _tell(self, news: _Began | _Busy | _Done | _Bug) -> None:
        self._news.append(news)
        self._bell.set()

    def _listen(self, seconds: float) -> None:
        self._bell.wait(seconds)
        self._bell.clear()

    def _start(self, row: Row) -> None:
        self._throttle.start()
        exchange = self.plan.exchange(row.question)
        exchange.count = self._count
        self._stops[row.key] = exchange.stop

        def work() -> None:
            began = False
            try:
                for parts in exchange.parts():
                    for part in parts:
                        if isinstance(part, Status) and part.until is not None:
                            self._tell(_Busy(part.text, part.until))
                        elif not began and _is_answer(part):
                            began = True
                            self._tell(_Began(self.plan.env.service.limits))
                self._tell(_Done(row, exchange.answer, exchange.error))
            except BaseException as error:
                self._tell(_Bug(error))

        started(threading.Thread(target=work, name="claude-map", daemon=True))

    def _hear(
        self, news: _Began | _Busy | _Done | _Bug, results: Results, progress: _Progress | None = None
    ) -> None:
        if isinstance(news, _Began):
            self._throttle.answered(news.limits)
        elif isinstance(news, _Busy):
            self._throttle.refused(news.seconds)
            if progress is not None:
                progress.waits(news.text, news.seconds)
        elif isinstance(news, _Bug):
            raise news.error
        else:
            self._throttle.end()
            self._stops.pop(news.row.key, None)
            self._costs = [Cost.total((*self._costs, news.answer.cost))]
            self._replayed += news.answer.replayed
            self._note_price(news)
            if self._settle(news, results) and progress is not None:
                progress.one(self.cost, len(self._errors))

    def _note_price(self, done: _Done) -> None:
        cost = done.answer.cost
        if len(self._paid) < forecast.SAMPLE and done.answer.complete and cost and not done.answer.replayed:
            self._paid.append(forecast.Paid(prompt_of(done.row.question).prompt, cost))

    def _settle(self, done: _Done, results: Results) -> bool:
        """Record what happened to a row; returns whether it is done, or will be asked again."""
        row, answer, error = done
        if error is None and answer.complete:
            self._keep(row, answer, results)
            return True
        if error is not None and self._may_pass(row, error):
            self._again.append(row)
            return False
        if isinstance(error, _FATAL) or (error is not None and _is_spent(error)):
            raise error
        self._errors[row.key] = error.message if error is not None else "No answer."
        self._failed += 1
        if error is not None and self._failed >= _HOPELESS and not self._answered:
            raise error
        return True

    def _keep(self, row: Row, answer: Answer, results: Results) -> None:
        self._answered += 1
        self._bursts = 0
        text = answer.text
        if self.plan.returns is not None:
            content = (answer.message or {}).get("content") or ()
            text = "".join(b["text"] for b in content if b["type"] == "text")
        results.keep(row.key, StoredResult(text, answer.stop_reason == "max_tokens"))

    def _may_pass(self, row: Row, error: ClaudeError) -> bool:
        """Whether to ask the row again; if so, after a pause or with fewer at once."""
        if isinstance(error, errors.BudgetError) and self._throttle.running:
            # What other requests have reserved is released when they end.
            self._throttle.shrink()
            return True
        return isinstance(error, _PASSING) and not _is_spent(error) and self._try_again(row, error)

    def _try_again(self, row: Row, error: ClaudeError) -> bool:
        if (error.retry_after or 0) > LONGEST:
            raise error
        now = time.monotonic()
        if now - self._last_burst > 1.0:
            self._last_burst = now
            self._bursts += 1
            if self._bursts > _BURSTS:
                raise error
        self._throttle.refused(error.retry_after or min(60.0, 2.0**self._bursts))
        tries = self._tries[row.key] = self._tries.get(row.key, 0) + 1
        return tries < _TRIES

    def _ask_again(self, backlog: Backlog) -> None:
        """Once some answers have arrived their price is known: ask again if all will cost clearly more than was agreed to."""
        if self.plan.provider in UNBILLED or self._answered < _SOME or self._answered % _SOME:
            return
        expected = Decimal(self.cost) / self._answered * backlog.missing
        if forecast.is_above(self.plan.env, expected) and expected > (self._agreed or 0) * Decimal("1.5"):
            self._agreed = expected
            question = (
                f"{self._answered:,} of {backlog.missing:,} rows cost {dollars(self.cost)} so far: "
                f"all will cost about {dollars(expected)}."
            )
            forecast.confirm(self.plan.env, question, expected)

    def _wind_up(self, results: Results) -> None:
        """Stop what is in progress, and keep what was finished anyway."""
        for stop in list(self._stops.values()):
            stop.request()
        until = time.monotonic() + 2.0
        while self._throttle.running and time.monotonic() < until:
            self._listen(0.1)
            while self._news:
                with uninterrupted(), contextlib.suppress(ClaudeError):
                    news = self._news.popleft()
                    if not isinstance(news, _Bug):
                        self._hear(news, results)

    def _mapped(self, results: Results, backlog: Backlog) -> Any:
        values, problems = read(self.plan, results, backlog.keys, self._errors)
        failed = sum(p is not None for p in problems)
        value = self.plan.rows.like(values, problems, self.plan.fields)
        results.release()
        billed = " (demo, nothing billed)" if self.plan.provider == "demo" else ""
        requested = backlog.missing - self._replayed
        facts = [f"{requested:,} asked for {dollars(self.cost)}{billed}"] if requested else []
        facts += [f"{self._replayed:,} replayed"] if self._replayed else []
        reused = len(backlog.keys) - backlog.missing
        facts += (
            [f"{reused:,} answered before or identical" if backlog.missing else "all answered before"]
            if reused
            else []
        )
        if failed:
            first = next(p for p in problems if p is not None)
            facts.append(f"{failed:,} with an error, the first: {first}")
        count = len(backlog.keys)
        self.plan.env.frontend.show(
            f"{count:,} row{'' if count == 1 else 's'}: {'; '.join(facts) or 'nothing to ask'}"
        )
        return value


def read(
    plan: Plan, results: Results, keys: tuple[str, ...], problems: Mapping[str, str]
) -> tuple[list[Any], list[str | None]]:
    """Each row's result from the kept answers, and its error or None."""
    values: list[Any] = []
    texts: list[str | None] = []
    for key in keys:
        value, problem = None, problems.get(key)
        if problem is None and key in results:
            result = results[key]
            problem = _CUT if result.cut else None
            try:
                value = plan.returns.value(result.text) if plan.returns is not None else result.text
            except ReturnsError as error:
                problem = problem or error.message
        values.append(value)
        texts.append(problem or (None if key in results else "Not asked."))
    return values, texts


def _is_answer(part: Any) -> bool:
    return isinstance(part, Add) or (isinstance(part, Put) and part.data["type"] != "notice")


def _is_spent(error: ClaudeError) -> bool:
    """A spend limit is a 429 too, but waiting does not help."""
    return error.status == 429 and "spend limit" in error.message.lower()


class _Progress:
    """The progress line: rows done and their cost; a batch has none, because it runs elsewhere."""

    def __init__(self, frontend: Frontend, total: int, before: int, *, visible: bool = True) -> None:
        self._done = before
        self._words = ""
        self._line = frontend.progress(total, before) if visible else None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.close()

    def one(self, cost: Cost, failed: int) -> None:
        """One more row is over."""
        self._done += 1
        self._tell(f"{dollars(cost)}{f', {failed} failed' if failed else ''}")

    def waits(self, text: str, seconds: float) -> None:
        """The service is busy."""
        self._tell(f"{text.partition('.')[0]}, waiting {seconds:.0f} s")

    def _tell(self, words: str) -> None:
        if self._line is not None:
            self._line.set(self._done, words)
