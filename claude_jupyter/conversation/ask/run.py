"""One question under way: rounds of request and tool calls until there is an answer, told in parts as it arrives.

The generator is the only loop there is; a cell, a coroutine, a background thread and `claude.stream` all drive it. However it ends
(done, stopped, broken, refused), it ends with an `Answer` and messages that are valid to send again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from claude_jupyter.client.events import Arrived, Event, Reply, Request, Waiting, replayed
from claude_jupyter.client.schemas import Returns
from claude_jupyter.client.stream import as_sent
from claude_jupyter.client.wire import Stop
from claude_jupyter.conversation.billing import Bill
from claude_jupyter.conversation.blocks import Blocks
from claude_jupyter.conversation.calls import Result, Toolbox
from claude_jupyter.conversation.closing import spoken, turn_messages
from claude_jupyter.conversation.interrupts import surely, uninterrupted
from claude_jupyter.conversation.receipts import receipt
from claude_jupyter.conversation.recorded import identity, recording, recordings
from claude_jupyter.conversation.repeats import manner
from claude_jupyter.conversation.request import Built, Question, build
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.errors import ClaudeError, RefusalError, ReplayError, ReturnsError, StoppedError
from claude_jupyter.turns import Answer, Block, Message, Meter, Part, Place, Put, Receipt, Status

_METER_EVERY = 1.0
_FULL = ("max_tokens", "model_context_window_exceeded")
_GOES_ON = ("pause_turn", "tool_use")

Notice = tuple[str, str]
"""(level, text) of a notice: `info`, `warn` or `error`."""


@dataclass
class Asking:
    """A question being answered.

    Attributes
    ----------
    stop
        Ask it to stop the answer, from any thread.
    answer
        The answer as far as it is; final once the iteration is over.
    built
        The first request, where it was made already; None once the question has changed.
    tells_errors
        Say in the answer what went wrong even where nothing of it came: no cell is there to fail.
    error
        Why there is no complete answer, or None.
    messages
        The turn's messages when it is over: valid to be sent again; empty if nothing is worth keeping.
    prefix
        Digest of what the first request stood after.
    manner
        Digest of how it asks: everything of it that is neither its messages nor what they stand after.
    """

    world: World
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
    manner: str = ""
    events: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self._blocks = Blocks()
        self._rounds: list[Message] = []
        self._costs: list[Cost | None] = []
        self._usage = Usage()
        self._written: Usage | None = None
        self._began = time.monotonic()
        self._metered = 0.0
        self._reply: Reply | None = None
        self._retried = False
        # Whether `_rounds` hold the newest response already, so that more has to follow it.
        self._moved = False

    def parts(self) -> Iterator[tuple[Part, ...]]:
        """What arrives, at most about 20 times a second. Never raises for what goes wrong: see `error`."""
        try:
            yield (Status("Thinking"),)
            number = 0
            while not self.stop.asked:
                yield from self._round(number)
                if not self._goes_on(number):
                    yield from self._run_own_calls()
                    break
                if not self.stop.asked:
                    yield from self._run_tools()
                number += 1
        except KeyboardInterrupt:
            self.stop.ask()
        except ClaudeError as error:
            self.error = error
        except (GeneratorExit, Exception):  # left, or a fault: what came is kept all the same
            self.stop.ask()
            surely(self._end)
            raise
        last: list[Part] = []
        with contextlib.suppress(KeyboardInterrupt):  # too late to stop anything
            surely(lambda: last.extend(self._end()))
        yield tuple(last)

    def _round(self, number: int) -> Iterator[tuple[Part, ...]]:
        world = self.world
        built, self.built = self.built, None
        request, history, notes = built or build(self.question, world.settings, self._rounds)
        if number == 0:
            self.prefix, self.manner = history.prefix, manner(request)
            self.answer = replace(self.answer, started=datetime.now(UTC), sent=self._receipt(request))
            yield tuple(self._note("info", n) for n in (*self.notes, *notes))
        self._blocks.round()
        recorded = recording(world, self.question, request)
        asked = request
        reply: Reply | None = None
        bill: Bill | None = None
        events: Generator[Event] | None = None
        try:
            with uninterrupted():
                request, bill = world.books.open(
                    request, self.answer, self.question, cell=self.place.cell, replayed=recorded is not None
                )
            if recorded is not None:
                self.answer = replace(self.answer, replayed=True)
                events = replayed(recorded)
            else:
                events = world.service.send(request, self.stop, keep_events=self.keep_events)
            for event in events:
                if isinstance(event, Reply):
                    reply = event
                    break
                try:
                    yield tuple(self._told(event))
                except KeyboardInterrupt:
                    self.stop.ask()
        except GeneratorExit:
            reply = surely(lambda: self._left(events))
            raise
        finally:
            surely(partial(self._over, events, bill, reply))
        if reply is not None and reply.error is not None:
            raise reply.error
        if reply is not None and reply.complete and recorded is None and world.settings.replay == "auto":
            try:
                # Under what was asked, not under what a budget left of it: so it is found again.
                recordings(world).keep(identity(asked), reply.message)
            except ReplayError as error:
                yield (self._note("warn", error.message),)

    def _receipt(self, request: Request) -> Receipt:
        return replace(receipt(self.world, self.question, request, self.answer, self.notes), left=True)

    def _told(self, event: Arrived | Waiting) -> Iterator[Part]:
        if isinstance(event, Waiting):
            yield Status(f"{event.reason}. Trying again, {event.attempt} of {event.attempts}", event.seconds)
            return
        self.events.extend(event.raw)
        yield from self._blocks.take(event.changes)
        now = time.monotonic()
        if now - self._metered >= _METER_EVERY:
            self._metered = now
            usage = self._usage + self._so_far(event.usage)
            yield Meter(usage, self.world.books.price(usage, self.question))

    def _left(self, events: Iterable[Event] | None) -> Reply | None:
        """The end of a request that nobody reads on: what arrived is kept, and was billed."""
        self.stop.ask()
        for event in events or ():
            if isinstance(event, Reply):
                return event
            if isinstance(event, Arrived):
                self._blocks.take(event.changes)
        return None

    def _so_far(self, told: Mapping[str, Any]) -> Usage:
        usage = Usage.from_wire(told, ttl=self.question.ttl or "5m")
        return replace(usage, output=max(usage.output, self._estimated_output()))

    def _estimated_output(self) -> int:
        # About 3.5 letters a token in English prose and code; an interrupted answer never tells (ANTHROPIC_API section 5).
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
        if not self._costs and reply.complete and usage.cache_write and not usage.cache_read:
            self._written = usage
        self._usage = self._usage + usage
        if wire:
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
        if number >= self.world.settings.max_tool_rounds:
            told = f"Stopped calling tools after {number} rounds (setting max_tool_rounds)."
            if self.returns is not None:
                raise ReturnsError(f"No value came. {told}")
            self._note("warn", told)
            return False
        self._move(content)
        return True

    def _move(self, content: Sequence[Block]) -> None:
        """Take a response that something has to follow into the rounds; a paused one goes on in the same message."""

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
                    f"Cut at max_tokens before it was whole: allow more. {error.message}"
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
        for result in self.toolbox.run(content, self.stop):
            results.append(result.block)
            yield self._resolved(result)
        self._rounds.append({"role": "user", "content": results})

    def _run_own_calls(self) -> Iterator[tuple[Part, ...]]:
        """Run the Python functions among calls that go to the user, whose results then go with the user's."""
        message = self._reply.message if self._reply is not None else {}
        content: list[Block] = message.get("content") or []
        if message.get("stop_reason") != "tool_use" or self.stop.asked or self.toolbox.runs(content):
            return
        for result in self.toolbox.run(self.toolbox.own(content), self.stop):
            yield self._resolved(result)

    def _resolved(self, result: Result) -> tuple[Part, ...]:
        put = self._blocks.resolve(result.id, result.shown, error=result.error, seconds=result.seconds)
        return (put,) if put else ()

    def _note(self, level: str, text: str) -> Put:
        return self._blocks.put({"type": "notice", "level": level, "text": text})

    def _end(self) -> list[Part]:
        """Make the final answer and the turn's messages."""
        reply = self._reply
        complete = self.error is None and reply is not None and reply.complete and not self._moved
        message = dict(reply.message) if reply is not None and reply.message else None
        reason = message.get("stop_reason") if message and complete else None
        if complete and reason == "refusal":
            complete, self.error = False, self._refused(message)
        self.messages = self._kept(complete)
        if not complete and self.error is None:
            self.error = StoppedError(self._stopped())
        parts: list[Part] = [self._note(*n) for n in self._notices(reason, complete)]
        billed = self.answer.provider != "demo" and not self.answer.replayed
        known = bool(self._costs) and None not in self._costs
        self.answer = replace(
            self.answer,
            blocks=self._blocks.frozen(),
            # What tools gave has left, too: it is said, and rows among it are remembered.
            attachments=(*self.answer.attachments, *self.toolbox.seen),
            usage=self._usage,
            cost=Cost.total(self._costs) if known else None if self._costs else Cost(),
            estimated=bool(self._costs) and not (reply is not None and reply.complete),
            complete=complete,
            stop_reason=reason or ("stopped" if isinstance(self.error, StoppedError) else None),
            seconds=round(time.monotonic() - self._began, 2),
            billed=billed,
            message=message,
        )
        return parts

    def _stopped(self) -> str:
        """What a stop left."""
        if not self.messages:
            return "Stopped before anything of the answer came."
        if self.question.options.once:
            return "Stopped. What arrived is in claude.last."
        return "Stopped. What arrived is kept; claude.resume() continues from here."

    def _refused(self, message: Mapping[str, Any] | None) -> RefusalError:
        details = (message or {}).get("stop_details") or {}
        category = f" ({details['category'].replace('_', ' ')})" if details.get("category") else ""
        return RefusalError(f"Claude declined to answer{category}. Ask it differently, or another model.")

    def _notices(self, reason: str | None, complete: bool) -> Iterator[Notice]:
        if isinstance(self.error, StoppedError):
            yield "warn", self.error.message.replace("claude.resume()", "`claude.resume()`")
        elif self.error is not None and (self._blocks.letters or self.tells_errors):
            yield "error", self.error.message
        elif complete and reason == "max_tokens":
            spent = "" if self._has_text() else " All of it went into thinking."
            yield (
                "warn",
                (f"Cut at max_tokens.{spent} `claude.resume()` goes on; `--max-tokens` allows more."),
            )
        elif complete and reason == "tool_use" and (calls := self._open_calls()):
            results = ", ".join(f'"{call["id"]}": …' for call in calls)
            names = " and ".join(dict.fromkeys(str(call["name"]) for call in calls))
            yield (
                "info",
                f"{names} is yours to run: give the result with claude.ask(tool_results={{{results}}}).",
            )
        elif complete and reason in ("end_turn", "stop_sequence") and not self._has_text():
            yield "info", "The answer is empty: Claude added nothing. Ask it differently, or for more."
        elif complete and reason == "model_context_window_exceeded":
            yield "warn", "The context is full. Begin afresh with -n, or attach less."
        if self.question.expired and self._written is not None:
            yield "info", self._paid_again(self._written)
        spent = self.world.books.warning()
        if spent:
            yield "warn", spent

    def _open_calls(self) -> list[Block]:
        """The calls that go to the user."""
        message = self._reply.message if self._reply is not None else {}
        calls = [b for b in message.get("content") or () if b["type"] == "tool_use"]
        own = {b["id"] for b in self.toolbox.own(calls)}
        return [b for b in calls if b["id"] not in own]

    def _paid_again(self, written: Usage) -> str:
        cost = self.world.books.price(written, self.question)
        price = f" ({dollars(cost.parts['cache_write'])})" if cost is not None else ""
        return (
            f"The pause was longer than cache entries live: {written.cache_write:,} tokens were written to the cache "
            f"again{price}."
        )

    def _has_text(self) -> bool:
        return any(b["type"] == "text" for b in self._blocks.frozen())

    def _kept(self, complete: bool) -> tuple[Message, ...]:
        """The turn as it is sent again: alternating, tool results paired, nothing empty."""
        if isinstance(self.error, RefusalError):
            return ()
        message = self._reply.message if self._reply is not None else {}
        content = [] if self._moved else as_sent(list(message.get("content") or []))
        cut = message.get("stop_reason") in _FULL
        return turn_messages(self.question.content, self._rounds, content, complete=complete, cut=cut)
