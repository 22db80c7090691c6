"""Runs one question: rounds of requests and tool calls until there is an answer, yielded in parts as it arrives.

The generator is the only loop there is; a cell, a coroutine, a background thread and `claude.stream` all drive it. However it ends
(done, stopped, broken, refused), it ends with an `Answer` and messages that are valid to send again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from claude_jupyter.answer.model import (
    Answer,
    Block,
    Level,
    Message,
    Meter,
    Part,
    Place,
    Put,
    Receipt,
    Status,
)
from claude_jupyter.client.events import Arrived, Event, Reply, Request, Waiting, replayed
from claude_jupyter.client.schemas import Returns
from claude_jupyter.client.stream import as_sent
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask.answer_blocks import Blocks
from claude_jupyter.conversation.ask.question import Question
from claude_jupyter.conversation.ask.receipts import receipt
from claude_jupyter.conversation.ask.recordings import departure, identity, recording, recordings
from claude_jupyter.conversation.ask.repeated import options_digest
from claude_jupyter.conversation.ask.request import Built, build, with_passing
from claude_jupyter.conversation.ask.spans import Spans
from claude_jupyter.conversation.ask.turn_messages import spoken, turn_messages
from claude_jupyter.conversation.billing import Bill
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.tools.toolbox import Toolbox, ToolResult
from claude_jupyter.conversation.work.proposal import RUN_CELL
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.encodable import encodable_all
from claude_jupyter.errors import ClaudeError, RefusalError, ReplayError, ReturnsError, StoppedError
from claude_jupyter.interrupts import surely, uninterrupted

_METER_EVERY = 1.0
_FULL = ("max_tokens", "model_context_window_exceeded")
_GOES_ON = ("pause_turn", "tool_use")

Notice = tuple[Level, str]
"""Level and text of a notice."""


@dataclass
class Exchange:
    """A question being answered.

    Attributes
    ----------
    stop
        Ask it to stop the answer, from any thread.
    answer
        The answer as far as it is; final once the iteration is over.
    built
        The first request, if it was made already; None once the question has changed.
    tells_errors
        Say in the answer what went wrong even if nothing of it came: no cell is there to fail.
    error
        Why there is no complete answer, or None.
    messages
        The turn's messages when it is over: valid to be sent again; empty if nothing is worth keeping.
    prefix
        Digest of what the first request was after.
    options_digest
        Digest of how it asks: everything of it that is neither its messages nor what they are after.
    request
        The last request that was sent.
    sent
        When it was sent, in seconds since 1970.
    count
        Told of the tokens and the price of each request as its bill is closed, on whatever thread.
    """

    env: Environment
    question: Question
    answer: Answer
    toolbox: Toolbox
    keep_events: bool = False
    returns: Returns | None = None
    place: Place = field(default_factory=Place)
    notes: tuple[str, ...] = ()
    built: Built | None = None
    tells_errors: bool = False
    stop: Stop = field(default_factory=Stop)
    error: ClaudeError | None = None
    messages: tuple[Message, ...] = ()
    prefix: str = ""
    options_digest: str = ""
    request: Request | None = None
    sent: float = 0.0
    events: list[Any] = field(default_factory=list[Any])
    count: Callable[[Usage, Cost | None], None] = lambda _usage, _cost: None

    def __post_init__(self) -> None:
        self._blocks = Blocks()
        self._opening: tuple[Block, ...] = ()
        self._rounds: list[Message] = []
        self._costs: list[Cost | None] = []
        self._usage = Usage()
        self._rewritten = 0
        self._began = time.monotonic()
        self._metered = 0.0
        self._reply: Reply | None = None
        self._retried = False
        # Whether `_rounds` hold the newest response already, so that more has to follow it.
        self._moved = False
        self._spans = Spans(self.env.settings.tracing, f"{self.env.billing.owner.kernel}/{self.answer.chat}")

    def open_with(self, blocks: Sequence[Block]) -> None:
        """Let the answer begin with these blocks: the step that it follows."""
        self._opening = tuple(blocks)

    def request_to_send(self) -> Built:
        """The next request, what of the history it carries, and notes for the answer."""
        return self.built or build(self.question, self.env.settings, self._rounds)

    def parts(self) -> Iterator[tuple[Part, ...]]:
        """What arrives, at most about 20 times a second. Never raises for what goes wrong: see `error`."""
        self._begin_spans()
        try:
            yield (*(self._blocks.put(dict(block)) for block in self._opening), Status("Thinking"))
            number = 0
            while not self.stop.requested:
                yield from self._round(number)
                if not self._goes_on(number):
                    yield from self._run_own_calls()
                    break
                if not self.stop.requested:
                    yield from self._run_tools()
                number += 1
        except KeyboardInterrupt:
            self.stop.request()
        except ClaudeError as error:
            self.error = error
        except (GeneratorExit, Exception):  # left, or a fault: what came is kept all the same
            self.stop.request()
            surely(self._end)
            raise
        last: list[Part] = []
        with contextlib.suppress(KeyboardInterrupt):  # too late to stop anything
            surely(lambda: last.extend(self._end()))
        yield tuple(last)

    def _begin_spans(self) -> None:
        """Begin the question's span; what follows a step belongs to the question that began the work."""
        work = self.env.works.get(self.answer.chat)
        self._spans.begin(self.answer, work.trace if work is not None and self._opening else None)
        if work is not None and self.question.options.do and work.trace is None:
            work.trace = self._spans.below
        for block in self._opening:
            self._spans.step(block)

    def _round(self, number: int) -> Iterator[tuple[Part, ...]]:
        env = self.env
        request, before, notes = self.request_to_send()
        self.built = None
        if number == 0:
            self.prefix, self.options_digest = before.prefix, options_digest(request)
            self.answer = replace(self.answer, started=datetime.now(UTC), sent=self._receipt(request))
            yield tuple(self._note("info", n) for n in (*self.notes, *notes))
        self._blocks.round()
        recorded = recording(env, self.question, request)
        if (
            recorded is None
            and number == 0
            and (note := departure(env, self.answer.chat, self.question.step))
        ):
            yield (self._note("info", note),)
        reply = yield from self._send(request, recorded)
        if reply is not None and reply.error is not None:
            raise reply.error
        if reply is not None and reply.complete and recorded is None and env.settings.replay == "auto":
            yield from self._record(request, reply)

    def _send(
        self, request: Request, recorded: Mapping[str, Any] | None
    ) -> Generator[tuple[Part, ...], None, Reply | None]:
        """Send a request, or read its recording: what arrives, and the reply once it is over."""
        env = self.env
        reply: Reply | None = None
        bill: Bill | None = None
        events: Generator[Event] | None = None
        try:
            with uninterrupted():
                request, bill = env.billing.open(
                    request, self.answer, self.question, cell=self.place.cell, replayed=recorded is not None
                )
            if recorded is not None:
                self.answer = replace(self.answer, replayed=True)
                events = replayed(recorded)
            else:
                self.request, self.sent = request, time.time()
                self._spans.request(request, self.answer)
                events = env.service.send(request, self.stop, keep_events=self.keep_events)
            for event in events:
                if isinstance(event, Reply):
                    reply = event
                    break
                try:
                    yield tuple(self._parts_of(event))
                except KeyboardInterrupt:
                    self.stop.request()
        except GeneratorExit:
            reply = surely(lambda: self._drain(events))
            raise
        finally:
            surely(partial(self._over, events, bill, reply))
        return reply

    def _record(self, request: Request, reply: Reply) -> Iterator[tuple[Part, ...]]:
        try:
            # Under what was asked, not under what a budget left of it: so it is found again.
            recordings(self.env).keep(identity(request), reply.message)
        except ReplayError as error:
            yield (self._note("warning", error.message),)

    def _receipt(self, request: Request) -> Receipt:
        return replace(receipt(self.env, self.question, request, self.answer, self.notes), left=True)

    def _parts_of(self, event: Arrived | Waiting) -> Iterator[Part]:
        if isinstance(event, Waiting):
            yield Status(f"{event.reason}. Trying again, {event.attempt} of {event.attempts}", event.seconds)
            return
        self.events.extend(event.raw)
        yield from self._blocks.take(event.changes)
        now = time.monotonic()
        if now - self._metered >= _METER_EVERY:
            self._metered = now
            usage = self._usage + self._so_far(event.usage)
            yield Meter(usage, self.env.billing.price(usage, self.question))

    def _drain(self, events: Iterable[Event] | None) -> Reply | None:
        """The end of a request that nobody reads on: what arrived is kept, and was billed."""
        self.stop.request()
        for event in events or ():
            if isinstance(event, Reply):
                return event
            if isinstance(event, Arrived):
                self._blocks.take(event.changes)
        return None

    def _so_far(self, reported: Mapping[str, Any]) -> Usage:
        usage = Usage.from_wire(reported, ttl=self.question.ttl or "5m")
        return replace(usage, output=max(usage.output, self._estimated_output()))

    def _estimated_output(self) -> int:
        # About 3.5 letters a token in English prose and code; an interrupted answer has no final usage.
        return max(0, round(self._blocks.letters / 3.5) - self._usage.output)

    def _over(self, events: Generator[Event] | None, bill: Bill | None, reply: Reply | None) -> None:
        if events is not None:
            events.close()
        if bill is not None:
            self._settle(bill, reply)

    def _settle(self, bill: Bill, reply: Reply | None) -> None:
        """Close the ledger row and add up what this round used."""
        self._moved = False
        self._reply = reply = reply or Reply({}, False, True, None, None, None, 0.0)
        wire = dict(reply.message.get("usage") or {})
        if not reply.complete and wire:
            wire["output_tokens"] = max(wire.get("output_tokens") or 0, self._estimated_output())
        usage, cost = bill.close(reply, wire)
        self.count(usage, cost)
        self._spans.replied(reply, usage, cost)
        if self.question.expired and not self._costs and reply.complete and not usage.cache_read:
            self._rewritten = usage.cache_write
        self._usage = self._usage + usage
        if wire or reply.silent:
            self._costs.append(cost)

    def _goes_on(self, number: int) -> bool:
        reply = self._reply
        assert reply is not None
        message = reply.message
        content: Sequence[Block] = as_sent(list(message.get("content") or []))
        reason = message.get("stop_reason") if reply.complete else None
        if self.returns is not None and reason not in (None, *_GOES_ON, "refusal"):
            return self._misfits(content, str(reason))
        if reason not in _GOES_ON or not content:
            return False
        if reason == "tool_use" and not self.toolbox.runs(content):
            return False
        if number >= self.env.settings.max_tool_rounds:
            text = f"Stopped calling tools after {number} rounds (setting max_tool_rounds)."
            if self.returns is not None:
                raise ReturnsError(f"No value was returned. {text}")
            self._note("warning", text)
            return False
        self._move(content)
        return True

    def _move(self, content: Sequence[Block]) -> None:
        """Take a response that something has to follow into the rounds; a paused one continues in the same message."""

        def move() -> None:
            goes_on = bool(self._rounds) and self._rounds[-1]["role"] == "assistant"
            before = self._rounds.pop()["content"] if goes_on else ()
            self._rounds.append({"role": "assistant", "content": [*before, *content]})
            self._moved = True

        surely(move)

    def _misfits(self, content: Sequence[Block], reason: str) -> bool:
        """Read the structured value; what does not fit is told to Claude once."""
        assert self.returns is not None
        text = "".join(b["text"] for b in content if b["type"] == "text")
        try:
            self.answer = replace(self.answer, value=self.returns.value(text))
            return False
        except ReturnsError as error:
            if reason == "max_tokens":
                raise ReturnsError(
                    f"Cut off at max_tokens before it was complete: allow more. {error.message}"
                ) from None
            if self._retried or reason in _FULL:
                raise
            self._retried = True
            again = f"{error.message} Answer again so that it fits the schema."
            self._move(spoken(content))
            self._rounds.append({"role": "user", "content": [{"type": "text", "text": again}]})
            self._note("info", f"Asked again: {error.message}")
            return True

    def _run_tools(self) -> Iterator[tuple[Part, ...]]:
        content = self._rounds[-1]["content"]
        if self._rounds[-1]["role"] == "user" or not any(b["type"] == "tool_use" for b in content):
            return
        results: list[Any] = []
        for result in self.toolbox.run(content, self.stop, self._spans.tool):
            results.append(result.block)
            yield self._resolved(result)
        self._rounds.append({"role": "user", "content": results})

    def _run_own_calls(self) -> Iterator[tuple[Part, ...]]:
        """Run the Python functions among calls that go to the user, whose results then go with the user's."""
        message = self._message
        content: list[Block] = message.get("content") or []
        if message.get("stop_reason") != "tool_use" or self.stop.requested or self.toolbox.runs(content):
            return
        for result in self.toolbox.run(self.toolbox.own(content), self.stop, self._spans.tool):
            yield self._resolved(result)

    def _resolved(self, result: ToolResult) -> tuple[Part, ...]:
        outcome = result.outcome
        cost = {"tokens": outcome.tokens, "price": outcome.price} if outcome.attachments else {}
        put = self._blocks.resolve(
            result.id, outcome.text, error=outcome.error, seconds=result.seconds, **cost
        )
        return (put,) if put else ()

    def _note(self, level: Level, text: str) -> Put:
        return self._blocks.put({"type": "notice", "level": level, "text": text})

    def _end(self) -> list[Part]:
        """Make the final answer and the turn's messages."""
        answered = self._reply is not None and self._reply.complete
        complete = self.error is None and answered and not self._moved
        message = self._message
        reason = message.get("stop_reason") if complete else None
        if reason == "refusal":
            complete, self.error = False, self._refused(message)
        self.messages = encodable_all(self._turn_messages(complete))
        if not complete and self.error is None:
            self.error = StoppedError(self._stopped())
        parts: list[Part] = self._blocks.release()
        parts += [self._note(*n) for n in self._notices(reason, complete)]
        self.answer = replace(
            self.answer,
            blocks=self._blocks.frozen(),
            # What tools gave has left, too: it is said, and rows among it are remembered.
            attachments=(*self.answer.attachments, *self.toolbox.attachments),
            usage=self._usage,
            cost=self._cost(),
            estimated=bool(self._costs) and not answered,
            complete=complete,
            stop_reason=reason or ("stopped" if isinstance(self.error, StoppedError) else None),
            seconds=round(time.monotonic() - self._began, 2),
            billed=self.answer.provider != "demo" and not self.answer.replayed,
            message=dict(message) or None,
            rewritten=self._rewritten,
        )
        self._spans.end(self.answer, self.error)
        return parts

    @property
    def _message(self) -> Mapping[str, Any]:
        """The newest response; empty where nothing of one arrived."""
        return self._reply.message if self._reply is not None else {}

    def _stopped(self) -> str:
        """What a stop left."""
        if not self.messages:
            return "Stopped before any of the answer arrived."
        if self.question.options.once:
            return "Stopped. What arrived is in claude.last."
        return "Stopped. What arrived is kept; claude.resume() continues from here."

    def _refused(self, message: Mapping[str, Any]) -> RefusalError:
        details = message.get("stop_details") or {}
        category = f" ({details['category'].replace('_', ' ')})" if details.get("category") else ""
        return RefusalError(
            f"Claude declined to answer{category}. Rephrase the question, or ask another model."
        )

    def _cost(self) -> Cost | None:
        """The price of all requests; None if one of them has none."""
        costs = [cost for cost in self._costs if cost is not None]
        return Cost.total(costs) if len(costs) == len(self._costs) else None

    def _notices(self, reason: str | None, complete: bool) -> Iterator[Notice]:
        if isinstance(self.error, StoppedError):
            yield "stopped", self.error.message.replace("claude.resume()", "`claude.resume()`")
        elif self.error is not None and (self._blocks.letters or self.tells_errors):
            yield "error", self.error.message
        elif complete:
            yield from self._notices_of(reason)
        if spent := self.env.billing.warning():
            yield "warning", spent

    def _notices_of(self, reason: str | None) -> Iterator[Notice]:
        """What a complete answer says of why it ended."""
        if reason == "max_tokens":
            spent = "" if self._has_text() else " All of it was spent on thinking."
            yield (
                "warning",
                f"Cut off at max_tokens.{spent} `claude.resume()` continues; `--max-tokens` allows more.",
            )
        elif reason == "tool_use" and (calls := self._open_calls()):
            results = ", ".join(f'"{call["id"]}": …' for call in calls)
            names = " and ".join(dict.fromkeys(str(call["name"]) for call in calls))
            yield (
                "info",
                f"Claude called {names}. Run it and pass the result: claude.ask(tool_results={{{results}}}).",
            )
        elif reason in ("end_turn", "stop_sequence") and not self._has_text():
            yield "info", "The answer is empty. Rephrase the question, or ask for more."
        elif reason == "model_context_window_exceeded":
            yield "warning", "The context is full. Start over with -n, or attach less."

    def _open_calls(self) -> list[Block]:
        """The calls that go to the user."""
        calls = [b for b in self._message.get("content") or () if b["type"] == "tool_use"]
        own = {b["id"] for b in self.toolbox.own(calls)}
        return [b for b in calls if b["id"] not in own and b["name"] != RUN_CELL["name"]]

    def _has_text(self) -> bool:
        return any(b["type"] == "text" for b in self._blocks.frozen())

    def _turn_messages(self, complete: bool) -> tuple[Message, ...]:
        """The turn as it is sent again: alternating, tool results paired, nothing empty."""
        if isinstance(self.error, RefusalError):
            return ()
        message = self._message
        content = [] if self._moved else as_sent(list(message.get("content") or []))
        cut = message.get("stop_reason") in _FULL
        question = self.question
        messages = turn_messages(question.content, self._rounds, content, complete=complete, cut=cut)
        if not question.passing or not messages:
            return messages
        first, *rest = messages
        if history.open_calls(messages):  # the turn continues with their results
            return ({**first, "content": with_passing(question)}, *rest)
        # What passes is gone from the next request, and thinking is bound to what came before it.
        return (first, *history.without_thinking(rest))
