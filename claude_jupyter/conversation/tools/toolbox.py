"""Tools that Claude may call: Python functions run here, dict tools returned to the caller, results paired with their calls."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.client.tool_definitions import definition
from claude_jupyter.client.transport import Stop
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import clip_middle
from claude_jupyter.conversation.estimate_tokens import tokens_of
from claude_jupyter.conversation.tools.approvals import approved
from claude_jupyter.conversation.tools.audit import audited
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome
from claude_jupyter.conversation.tools.price import priced
from claude_jupyter.conversation.tools.redaction import redacted
from claude_jupyter.conversation.tools.row_limit import limited
from claude_jupyter.conversation.tools.size import sized
from claude_jupyter.errors import UsageError
from claude_jupyter.interrupts import SafeEvent, interruptible, started

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LONGEST = 400_000
"""How many characters of a text are examined."""
_TOKENS = 28_500
"""The longest result of a user's function: about 100,000 characters."""
_LONGEST_WAIT = 0.1
"""Seconds: waits on a lock cannot be interrupted on Windows (bugs.python.org/issue35935)."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes
    ----------
    definition
        As the API takes it: name, description, input_schema.
    function
        What runs it; None for a dict tool, whose calls are returned to the user.
    confirm
        Ask the user before each call.
    run
        What runs it where that is no function of the user's: a look tool, an MCP server.
    tokens
        The longest result, in tokens.
    shorter
        How to ask for less, said where a result is cut.
    server
        The MCP server whose tool it is; empty: none.
    """

    definition: Mapping[str, Any]
    function: Callable[..., Any] | None = None
    confirm: bool = False
    run: Run | None = None
    tokens: int = _TOKENS
    shorter: str = "ask for less"
    server: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether its calls are run in this kernel and not returned to the user."""
        return self.function is not None or self.run is not None

    @property
    def name(self) -> str:
        """Its name for Claude."""
        definition = self.definition
        return str(definition.get("name") or definition.get("mcp_server_name") or definition.get("type"))

    @classmethod
    def of(cls, value: Any) -> Tool:
        """A tool from a function (by its signature, type hints and docstring) or a dict with `name` and `input_schema`.

        Raises
        ------
        UsageError
            For anything else, or a function whose schema cannot be made.
        """
        if isinstance(value, Tool):
            return value
        if isinstance(value, Mapping):
            if value.get("type", "custom") == "custom" and not {"name", "input_schema"} <= set(value):
                raise UsageError("a dict tool needs name and input_schema")
            return cls(_checked(dict(value)))
        if not callable(value):
            raise UsageError(f"a tool must be a function or a dict, not {type(value).__name__}")
        return cls(_checked(definition(value)), value, bool(getattr(value, "claude_confirm", False)))


def _checked(definition: dict[str, Any]) -> dict[str, Any]:
    """A tool's definition, checked here with clearer messages than the service gives."""
    if "type" in definition and definition["type"] != "custom":
        return definition
    name, schema = definition["name"], definition["input_schema"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a tool name: use letters, digits, _ and -, at most 128")
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise UsageError(f'the input_schema of {name} must be a JSON schema with "type": "object"')
    try:
        json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the input_schema of {name} is not JSON: {error}") from None
    return definition


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave.

    Attributes
    ----------
    block
        The tool_result block that is sent.
    outcome
        What it was made of.
    """

    id: str
    block: Block
    outcome: ToolOutcome
    seconds: float


def _no_price(_tokens: int) -> str:
    return ""


@dataclass
class Toolbox:
    """The tools of one question.

    Attributes
    ----------
    show
        A value → how Claude is shown it (a dataframe's profile, a figure's image).
    confirm
        Asks the user; None back: nobody can answer.
    redact
        Text → text without secrets, for what is no attachment.
    rules
        How many rows may leave.
    price
        Prompt tokens → their list price as text; empty if it is not known.
    attachments
        What of the kernel the results held.
    """

    tools: Sequence[Tool] = ()
    show: Callable[[Any, str], tuple[Attachment, ...]] = lambda _value, _label: ()
    confirm: Callable[[str], bool | None] = lambda _question: None
    redact: Callable[[str], str] = str
    rules: Rules = field(default_factory=lambda: Rules(rows="all"))
    price: Callable[[int], str] = _no_price
    attachments: list[Attachment] = field(default_factory=list[Attachment])

    def __post_init__(self) -> None:
        names = [t.name for t in self.tools]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two tools are called {name}; rename one")

    def runs(self, content: Sequence[Block]) -> bool:
        """Whether all calls in this content are run here (dict tools are the caller's)."""
        calls = [b for b in content if b["type"] == "tool_use"]
        by_name = {t.name: t for t in self.tools}
        return bool(calls) and all((tool := by_name.get(b["name"])) is None or tool.runs_here for b in calls)

    def own(self, content: Sequence[Block]) -> list[Block]:
        """The calls in this content that are run here."""
        here = {t.name for t in self.tools if t.runs_here}
        return [b for b in content if b["type"] == "tool_use" and b["name"] in here]

    def by_hand(self, call: str, value: Any) -> Block:
        """The result that the user provides for a call."""
        try:
            outcome = self._outcome(value, "result")
        except Exception as error:
            outcome = _failed(error)

        def result(_call: ToolCall, _stop: Stop) -> ToolOutcome:
            return outcome

        run = sized(redacted(limited(result, self.rules), self.redact), _TOKENS, {})
        return _block(call, audited(run, self.attachments.extend)(ToolCall("", {}), Stop()))

    def run(
        self,
        content: Sequence[Block],
        stop: Stop,
        around: Callable[[Block, Callable[[], ToolOutcome]], ToolOutcome] = lambda _call, run: run(),
    ) -> Iterator[ToolResult]:
        """Run the calls in order; a stop or an interrupt gives the rest a result that says so.

        Parameters
        ----------
        around
            Runs each call, given the call and what it does.
        """
        by_name = {t.name: t for t in self.tools}
        for call in (b for b in content if b["type"] == "tool_use"):
            began = time.monotonic()
            if stop.requested:
                outcome = _stopped("The user stopped before this tool had run.")
            else:
                outcome = around(call, partial(self._one, by_name.get(call["name"]), call, stop))
            yield ToolResult(
                call["id"], _block(call["id"], outcome), outcome, round(time.monotonic() - began, 2)
            )

    def _one(self, tool: Tool | None, call: Block, stop: Stop) -> ToolOutcome:
        if tool is None or not tool.runs_here:
            return ToolOutcome.of_text(f"There is no tool {call['name']!r}.", error=True)
        if "invalid_input" in call or not isinstance(call.get("input"), Mapping):
            return ToolOutcome.of_text("The arguments were not valid JSON. Call the tool again.", error=True)
        return self._guarded(tool)(ToolCall(tool.name, call["input"]), stop)

    def _guarded(self, tool: Tool) -> Run:
        """What runs the tool, within every policy."""
        run = failing(tool.run or self._function(tool))
        run = limited(run, self.rules)
        run = redacted(run, self.redact)
        run = sized(run, tool.tokens, {tool.name: tool.shorter})
        run = audited(run, self.attachments.extend)
        run = priced(run, _tokens, self.price)
        otherwise = "" if tool.server else ", or offer the tool without confirm=True"
        return approved(run, self.confirm, otherwise) if tool.confirm else run

    def _function(self, tool: Tool) -> Run:
        function = tool.function
        assert function is not None

        def run(call: ToolCall, stop: Stop) -> ToolOutcome:
            return self._outcome(_called(function, call.input, stop), call.tool)

        return run

    def _outcome(self, value: Any, name: str) -> ToolOutcome:
        if value is None or (isinstance(value, str) and not value.strip()):
            return ToolOutcome.of_text("(no output)")
        if isinstance(value, Attachment):
            return outcome_of((value,))
        if isinstance(value, str | int | float):
            return ToolOutcome.of_text(clip_middle(str(value), _LONGEST)[0])
        attachments = self.show(value, name)
        return outcome_of(attachments) if attachments else ToolOutcome.of_text(repr(value))


def outcome_of(attachments: Sequence[Attachment]) -> ToolOutcome:
    """An outcome that shows values of the kernel."""
    blocks = [b for a in attachments for b in a.blocks]
    texts = [b["text"] for b in blocks if b.get("type") == "text"]
    return ToolOutcome(tuple(blocks), "\n".join(texts) or attachments[0].sent, attachments=tuple(attachments))


def failing(run: Run) -> Run:
    """A tool that fails or is stopped gives an outcome that says so: Claude is told, the user's cell continues."""

    def safe(call: ToolCall, stop: Stop) -> ToolOutcome:
        try:
            with interruptible():
                return run(call, stop)
        except (KeyboardInterrupt, _LeftError):
            stop.request()
            return _stopped("The user stopped this tool.")
        except BaseException as error:  # also SystemExit: a tool must not be able to end the kernel
            return _failed(error)

    return safe


def _failed(error: BaseException) -> ToolOutcome:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # its own __str__ fails
        text = type(error).__name__
    return ToolOutcome.of_text(text, error=True)


def _stopped(text: str) -> ToolOutcome:
    return replace(ToolOutcome.of_text(text, error=True), text="stopped")


def _block(call: str, outcome: ToolOutcome) -> Block:
    mark = {"is_error": True} if outcome.error else {}
    return {"type": "tool_result", "tool_use_id": call, "content": list(outcome.blocks), **mark}


def _tokens(blocks: Sequence[Block], attachments: Sequence[Attachment]) -> int:
    return tokens_of([{"role": "user", "content": blocks}], attachments)


class _LeftError(Exception):
    """Raised in a tool that nobody waits for anymore."""


def _called(function: Callable[..., Any], arguments: Mapping[str, Any], stop: Stop) -> Any:
    """Call a tool. On the main thread an interrupt ends it; elsewhere none arrives, so that it is left alone when stopped."""
    from claude_jupyter.client.tool_definitions import call

    if not inspect.iscoroutinefunction(function) and threading.current_thread() is threading.main_thread():
        return call(function, arguments)
    return _apart(lambda: call(function, arguments), stop)


def _apart(work: Callable[[], Any], stop: Stop) -> Any:
    """What `work` returns, on a thread of its own: a kernel's own thread has a running loop already."""
    outcome: list[tuple[Any, BaseException | None]] = []
    done = SafeEvent()

    async def awaited(value: Any) -> Any:
        return await value

    def run() -> None:
        try:
            value = work()
            outcome.append((asyncio.run(awaited(value)) if inspect.isawaitable(value) else value, None))
        except BaseException as error:
            outcome.append((None, error))
        done.set()

    context = contextvars.copy_context()  # a span that is current here is so there
    started(threading.Thread(target=context.run, args=(run,), name="claude-tool", daemon=True))
    with stop.ringing(done):
        while not outcome and not stop.requested:
            done.wait(_LONGEST_WAIT)
    if not outcome:
        raise _LeftError
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
