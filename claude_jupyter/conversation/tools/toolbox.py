"""Tools that Claude may call: Python functions run here, dict tools returned to the caller, results paired with their calls."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from claude_jupyter.client.tools import definition
from claude_jupyter.client.wire import Stop
from claude_jupyter.errors import UsageError
from claude_jupyter.turns import Attachment, Block

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LONGEST = 100_000
"""Characters of one tool result that are sent."""
_NOBODY = (
    "Nobody could allow it: ask in a cell that can put a question, or offer the tool without confirm=True."
)
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
    """

    definition: Mapping[str, Any]
    function: Callable[..., Any] | None = None
    confirm: bool = False

    @property
    def name(self) -> str:
        """Its name for Claude."""
        given = self.definition
        return str(given.get("name") or given.get("mcp_server_name") or given.get("type"))

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
            raise UsageError(f"a tool is a function or a dict, not {type(value).__name__}")
        return cls(_checked(definition(value)), value, bool(getattr(value, "claude_confirm", False)))


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """A tool's definition, refused here in clearer words than the service has."""
    if "type" in given and given["type"] != "custom":
        return given
    name, schema = given["name"], given["input_schema"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a tool: letters, digits, _ and -, at most 128")
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise UsageError(f'the input_schema of {name} has to be a JSON schema with "type": "object"')
    try:
        json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the input_schema of {name} is no JSON: {error}") from None
    return given


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave.

    Attributes
    ----------
    block
        The tool_result block that is sent.
    shown
        Its text for the answer's fold.
    """

    id: str
    block: Block
    shown: str
    error: bool
    seconds: float


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
    """

    tools: Sequence[Tool] = ()
    show: Callable[[Any, str], tuple[Attachment, ...]] = lambda _value, _label: ()
    confirm: Callable[[str], bool | None] = lambda _question: None
    redact: Callable[[str], str] = str
    seen: list[Attachment] = field(default_factory=list[Attachment])

    def __post_init__(self) -> None:
        names = [t.name for t in self.tools]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two tools are called {name}; rename one")

    def runs(self, content: Sequence[Block]) -> bool:
        """Whether all calls in this content are run here (dict tools are the caller's)."""
        calls = [b for b in content if b["type"] == "tool_use"]
        by_name = {t.name: t for t in self.tools}
        return bool(calls) and all(
            (tool := by_name.get(b["name"])) is None or tool.function is not None for b in calls
        )

    def own(self, content: Sequence[Block]) -> list[Block]:
        """The calls in this content that Python functions answer."""
        functions = {t.name for t in self.tools if t.function is not None}
        return [b for b in content if b["type"] == "tool_use" and b["name"] in functions]

    def by_hand(self, call: str, value: Any) -> Block:
        """The result that the user gives for a call."""
        blocks, _, error = self._shown(value, "result")
        told = {"is_error": True} if error else {}
        return {"type": "tool_result", "tool_use_id": call, "content": blocks, **told}

    def run(self, content: Sequence[Block], stop: Stop) -> Iterator[Result]:
        """Run the calls in order; a stop or an interrupt gives the rest a result that says so."""
        by_name = {t.name: t for t in self.tools}
        for call in (b for b in content if b["type"] == "tool_use"):
            began = time.monotonic()
            if stop.asked:
                blocks, shown, error = _said("The user stopped before this tool had run."), "stopped", True
            else:
                blocks, shown, error = self._one(by_name.get(call["name"]), call, stop)
            block = {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": blocks,
                **({"is_error": True} if error else {}),
            }
            yield Result(call["id"], block, shown, error, round(time.monotonic() - began, 2))

    def _one(self, tool: Tool | None, call: Block, stop: Stop) -> tuple[list[Block], str, bool]:
        if tool is None or tool.function is None:
            text = f"There is no tool {call['name']!r}."
            return _said(text), text, True
        if "invalid_input" in call or not isinstance(call.get("input"), Mapping):
            text = "The arguments were not valid JSON. Call the tool again."
            return _said(text), text, True
        if tool.confirm:
            allowed = self.confirm(
                f"Claude wants to call {tool.name}({_arguments(call['input'])}). Allow it?"
            )
            if allowed is None:
                return _said("Nobody could allow it."), _NOBODY, True
            if not allowed:
                text = "The user did not allow this call."
                return _said(text), text, True
        try:
            value = _called(tool.function, call["input"], stop)
        except (KeyboardInterrupt, _LeftError):
            stop.ask()
            return _said("The user stopped this tool."), "stopped", True
        except BaseException as error:
            # Also SystemExit: a tool must not be able to end the kernel. Claude is told, the user's cell goes on.
            return self._failed(error)
        return self._shown(value, tool.name)

    def _failed(self, error: BaseException) -> tuple[list[Block], str, bool]:
        try:
            text = f"{type(error).__name__}: {error}"
        except Exception:  # its own __str__ fails
            text = type(error).__name__
        text = self._cut(text)
        return _said(text), text, True

    def _cut(self, text: str) -> str:
        """Text as it may leave: not too long, no secrets."""
        cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n[cut: {len(text):,} characters]"
        return self.redact(cut)

    def _shown(self, value: Any, name: str) -> tuple[list[Block], str, bool]:
        if value is None or (isinstance(value, str) and not value.strip()):
            return _said("(no output)"), "(no output)", False
        if isinstance(value, str | int | float):
            cut = self._cut(str(value))
            return _said(cut), cut, False
        try:
            attachments = self.show(value, name)
            text = "" if attachments else self._cut(repr(value))
        except Exception as error:
            return self._failed(error)
        if not attachments:
            return _said(text), text, False
        self.seen.extend(attachments)
        blocks = [b for a in attachments for b in a.blocks]
        texts = [b["text"] for b in blocks if b.get("type") == "text"]
        return blocks, "\n".join(texts) or attachments[0].sent, False


def _said(text: str) -> list[Block]:
    return [{"type": "text", "text": text}]


def _arguments(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in given.items())[:200]


class _LeftError(Exception):
    """A tool that nobody waits for any more."""


def _called(function: Callable[..., Any], given: Mapping[str, Any], stop: Stop) -> Any:
    """Call a tool. On the main thread an interrupt ends it; elsewhere none arrives, so that it is left alone when stopped."""
    from claude_jupyter.client.tools import call

    if not inspect.iscoroutinefunction(function) and threading.current_thread() is threading.main_thread():
        return call(function, given)
    return _apart(lambda: call(function, given), stop)


def _apart(work: Callable[[], Any], stop: Stop) -> Any:
    """What `work` returns, on a thread of its own: a kernel's own thread has a running loop already."""
    outcome: list[tuple[Any, BaseException | None]] = []
    done = threading.Event()

    async def awaited(value: Any) -> Any:
        return await value

    def run() -> None:
        try:
            value = work()
            outcome.append((asyncio.run(awaited(value)) if inspect.isawaitable(value) else value, None))
        except BaseException as error:
            outcome.append((None, error))
        done.set()

    threading.Thread(target=run, name="claude-tool", daemon=True).start()
    with stop.ringing(done):
        while not outcome and not stop.asked:
            done.wait(_LONGEST_WAIT)
    if not outcome:
        raise _LeftError
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
