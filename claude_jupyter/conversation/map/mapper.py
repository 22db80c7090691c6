"""`claude.map`: one prompt over many rows, many at once, each answer kept as it comes.

The calling thread hands out the rows and hears what becomes of them; each row is a question (`asking.py`) on a thread of its own.
How many at once is `pace.py`, what is sent `plan.py`, what is kept `results.py`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from claude_jupyter import errors
from claude_jupyter.client.retry import LONGEST
from claude_jupyter.client.wire import Stop
from claude_jupyter.conversation.interrupts import uninterrupted
from claude_jupyter.conversation.pace import CEILING, FIRST, Pace
from claude_jupyter.conversation.plan import Plan, Row, Stock, agreed, ask_first
from claude_jupyter.conversation.results import Found, Results
from claude_jupyter.costs.calls import UNBILLED
from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.errors import ClaudeError, ReturnsError, StoppedError
from claude_jupyter.turns import Add, Answer, Put, Status

_LONGEST_WAIT: Final = 0.1 if sys.platform == "win32" else 1.0
_TRIES: Final = 4
_BURSTS: Final = 6
_HOPELESS: Final = 20
"""So many refusals, and not one answer, end a map: it is the question that is wrong, not a row."""
_SOME: Final = 20
_CUT: Final = "Cut at max_tokens: allow more with max_tokens=."

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
    """A row's thread failed in a way that is no failure of the service."""

    error: BaseException


class Mapped(NamedTuple):
    """How a map went.

    Attributes
    ----------
    value
        What is given back.
    failed
        How many rows have no result.
    """

    value: Any
    usage: Usage
    cost: Cost
    failed: int


class Mapper:
    """A map under way.

    Attributes
    ----------
    usage, cost
        Of what was asked so far, also when it ends with an error.
    """

    def __init__(self, plan: Plan, limit: int | None = None) -> None:
        if limit is not None and not (isinstance(limit, int) and limit >= 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.UsageError("limit takes how many requests may be under way at once: 1 or more")
        self.plan = plan
        self.usage = Usage()
        self._costs: list[Cost | None] = []
        self._errors: dict[str, str] = {}
        self._pace = Pace(limit or CEILING, limit=1.0 if plan.shares else FIRST)
        self._news: deque[_Began | _Busy | _Done | _Bug] = deque()
        self._bell = threading.Event()
        self._stops: dict[str, Stop] = {}
        self._again: deque[Row] = deque()
        self._tries: dict[str, int] = {}
        self._answered = 0
        self._replayed = 0
        self._failed = 0
        self._bursts = 0
        self._last_burst = -1e9
        self._agreed: Decimal | None = None

    @property
    def cost(self) -> Cost:
        """List price of what was asked so far."""
        return Cost.total(self._costs)

    def run(self) -> Mapped:
        """Ask about every row that has no kept answer.

        Raises
        ------
        StoppedError
            When interrupted: what is done is kept.
        ClaudeError
            For what would go wrong with every row, or a budget that is used up.
        """
        plan = self.plan
        results = plan.results(afresh=plan.options.no_replay)
        stock = plan.stock(results)
        self._errors.update(stock.problems)
        self._agreed = ask_first(plan, stock)
        if stock.missing:
            self._ask(results, stock)
        return self._made(results, stock)

    def _ask(self, results: Results, stock: Stock) -> None:
        rows = self.plan.missing(results, stock)
        with _Progress(len(stock.keys), len(stock.keys) - stock.missing) as progress:
            try:
                self._dispatch(rows, results, stock, progress)
            except KeyboardInterrupt:
                self._wind_up(results)
                raise StoppedError(self._kept_so_far("Stopped", stock)) from None
            except ClaudeError as error:
                self._wind_up(results)
                if self._answered:
                    error.message = self._kept_so_far(error.message.rstrip("."), stock)
                    error.args = (error.message,)
                raise
            except (
                BaseException
            ):  # a bug, or what user's own code raised: nothing may go on that nobody keeps
                self._wind_up(results)
                raise

    def _kept_so_far(self, what: str, stock: Stock) -> str:
        done = len(stock.keys) - stock.missing + self._answered
        return (
            f"{what}. {done:,} of {len(stock.keys):,} rows are answered ({dollars(self.cost)}) and kept: "
            "run it again, and only the rest is asked."
        )

    def _dispatch(self, rows: Iterator[Row], results: Results, stock: Stock, progress: _Progress) -> None:
        more = True
        while more or self._again or self._pace.running:
            while (more or self._again) and self._pace.may_start():
                row = self._again.popleft() if self._again else next(rows, None)
                if row is None:
                    more = False
                    break
                self._start(row)
            if not (more or self._again or self._pace.running):
                break
            wait = self._pace.waits()
            self._listen(min(_LONGEST_WAIT, wait) if wait else _LONGEST_WAIT)
            while self._news:
                with uninterrupted():  # what is paid for is kept, also when an interrupt comes just now
                    news = self._news.popleft()
                    self._hear(news, results, progress)
                if isinstance(news, _Done):
                    self._ask_again(stock)

    def _tell(self, news: _Began | _Busy | _Done | _Bug) -> None:
        self._news.append(news)
        self._bell.set()

    def _listen(self, seconds: float) -> None:
        self._bell.wait(seconds)
        self._bell.clear()

    def _start(self, row: Row) -> None:
        self._pace.start()
        asking = self.plan.asking(row.question)
        self._stops[row.key] = asking.stop

        def work() -> None:
            began = False
            try:
                for parts in asking.parts():
                    for part in parts:
                        if isinstance(part, Status) and part.until is not None:
                            self._tell(_Busy(part.text, part.until))
                        elif not began and _is_answer(part):
                            began = True
                            self._tell(_Began(self.plan.world.service.limits))
                self._tell(_Done(row, asking.answer, asking.error))
            except BaseException as error:
                self._tell(_Bug(error))

        threading.Thread(target=work, name="claude-map", daemon=True).start()

    def _hear(
        self, news: _Began | _Busy | _Done | _Bug, results: Results, progress: _Progress | None = None
    ) -> None:
        if isinstance(news, _Began):
            self._pace.answered(news.limits)
        elif isinstance(news, _Busy):
            self._pace.refused(news.seconds)
            if progress is not None:
                progress.waits(news.text, news.seconds)
        elif isinstance(news, _Bug):
            raise news.error
        else:
            self._pace.end()
            self._stops.pop(news.row.key, None)
            self.usage = self.usage + news.answer.usage
            self._costs = [Cost.total((*self._costs, news.answer.cost))]
            self._replayed += news.answer.replayed
            if self._settle(news, results) and progress is not None:
                progress.one(self.cost, len(self._errors))

    def _settle(self, done: _Done, results: Results) -> bool:
        """Take in what became of a row; whether it is over, or will be asked again."""
        row, answer, error = done
        if error is None and answer.complete:
            self._answered += 1
            self._bursts = 0
            text = answer.text
            if self.plan.returns is not None:
                content = (answer.message or {}).get("content") or ()
                text = "".join(b["text"] for b in content if b["type"] == "text")
            results.keep(row.key, Found(text, answer.stop_reason == "max_tokens"))
            return True
        if isinstance(error, errors.BudgetError) and self._pace.running:
            # What others have set aside comes back when they end.
            self._pace.shrink()
            self._again.append(row)
            return False
        if isinstance(error, _PASSING) and not _is_spent(error) and self._try_again(row, error):
            self._again.append(row)
            return False
        if isinstance(error, _FATAL) or (error is not None and _is_spent(error)):
            raise error
        self._errors[row.key] = error.message if error is not None else "No answer."
        self._failed += 1
        if error is not None and self._failed >= _HOPELESS and not self._answered:
            raise error
        return True

    def _try_again(self, row: Row, error: ClaudeError) -> bool:
        if (error.retry_after or 0) > LONGEST:
            raise error
        now = time.monotonic()
        if now - self._last_burst > 1.0:
            self._last_burst = now
            self._bursts += 1
            if self._bursts > _BURSTS:
                raise error
        self._pace.refused(error.retry_after or min(60.0, 2.0**self._bursts))
        tries = self._tries[row.key] = self._tries.get(row.key, 0) + 1
        return tries < _TRIES

    def _ask_again(self, stock: Stock) -> None:
        """Once some answers have come their price is known: ask where all will cost clearly more than was agreed to."""
        if self.plan.provider in UNBILLED or self._answered < _SOME or self._answered % _SOME:
            return
        settings = self.plan.world.settings
        expected = Decimal(self.cost) / self._answered * stock.missing
        allowed = max(Decimal(str(settings.confirm_above)), (self._agreed or Decimal(0)) * Decimal("1.5"))
        if expected > allowed:
            self._agreed = expected
            question = (
                f"{self._answered:,} of {stock.missing:,} rows cost {dollars(self.cost)} so far: "
                f"all will cost about {dollars(expected)}."
            )
            agreed(self.plan.world, question, expected)

    def _wind_up(self, results: Results) -> None:
        """Stop what is under way, and keep what was finished anyway."""
        for stop in list(self._stops.values()):
            stop.ask()
        until = time.monotonic() + 2.0
        while self._pace.running and time.monotonic() < until:
            self._listen(0.1)
            while self._news:
                with uninterrupted(), contextlib.suppress(ClaudeError):
                    news = self._news.popleft()
                    if not isinstance(news, _Bug):
                        self._hear(news, results)

    def _made(self, results: Results, stock: Stock) -> Mapped:
        values, problems = read(self.plan, results, stock.keys, self._errors)
        failed = sum(p is not None for p in problems)
        value = self.plan.rows.like(values, problems, self.plan.fields)
        results.release()
        billed = " (demo, nothing billed)" if self.plan.provider == "demo" else ""
        asked = stock.missing - self._replayed
        told = [f"{asked:,} asked for {dollars(self.cost)}{billed}"] if asked else []
        told += [f"{self._replayed:,} replayed"] if self._replayed else []
        kept = len(stock.keys) - stock.missing
        told += (
            [f"{kept:,} answered before or alike" if stock.missing else "all answered before"] if kept else []
        )
        if failed:
            first = next(p for p in problems if p is not None)
            told.append(f"{failed:,} with an error, the first: {first}")
        count = len(stock.keys)
        self.plan.world.show(
            f"{count:,} row{'' if count == 1 else 's'}: {'; '.join(told) or 'nothing to ask'}"
        )
        return Mapped(value, self.usage, self.cost, failed)


def read(
    plan: Plan, results: Results, keys: tuple[str, ...], problems: Mapping[str, str]
) -> tuple[list[Any], list[str | None]]:
    """Each row's result from the kept answers, and its error or None."""
    values: list[Any] = []
    told: list[str | None] = []
    for key in keys:
        value, problem = None, problems.get(key)
        if problem is None and key in results:
            found = results[key]
            problem = _CUT if found.cut else None
            try:
                value = plan.returns.value(found.text) if plan.returns is not None else found.text
            except ReturnsError as error:
                problem = problem or error.message
        values.append(value)
        told.append(problem or (None if key in results else "Not asked."))
    return values, told


def _is_answer(part: Any) -> bool:
    return isinstance(part, Add) or (isinstance(part, Put) and part.data["type"] != "notice")


def _is_spent(error: ClaudeError) -> bool:
    """A spend limit is a 429 too, but waiting does not help."""
    return error.status == 429 and "spend limit" in error.message.lower()


class _Progress:
    """The line that grows: rows done, how fast, what it has cost."""

    def __init__(self, total: int, before: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, initial=before, unit="row", dynamic_ncols=True, smoothing=0.1)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def one(self, cost: Cost, failed: int) -> None:
        """One more row is over."""
        trouble = f", {failed} failed" if failed else ""
        self._bar.set_postfix_str(f"{dollars(cost)}{trouble}", refresh=False)
        self._bar.update(1)

    def waits(self, text: str, seconds: float) -> None:
        """The service is busy."""
        self._bar.set_postfix_str(f"{text.partition('.')[0]}, waiting {seconds:.0f} s")
