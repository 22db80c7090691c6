"""The ways in which people ask, each with what the model says to it, and a conversation to ask in: a row of the fault matrix each.

All is real but the model and the screen: sockets on loopback, the package's own client, a ledger and a journal on disk.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from support.faults_line import Line, line_to, until
from support.world import Screen, Watched

from claude_jupyter.answer.model import Add, Answer, Place, Put, View
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.billing import Billing, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.demo.server import DemoServer, start
from claude_jupyter.errors import ClaudeError
from claude_jupyter.settings import Settings

NOTEBOOK, KERNEL = "a.ipynb", "kernel-1"
KEY = "test-key-of-the-fault-matrix"
TEXT = "The first half stays, the second half may be lost. Ä long wörd and a $formula$ follow."
THOUGHT = "Let me see what stays."
JSON = json.dumps({"name": "Ada", "score": 3, "note": "The first half stays, the second may be lost."})
NEXT, FINE = "And what next?", "Fine."
ROWS = ["one", "two", "three"]


class Reply(TypedDict):
    """What the structured way asks for."""

    name: str
    score: int
    note: str


def weather(city: str) -> str:
    """The weather in a city."""
    return f"snow in {city}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a question ended, as its user sees it.

    Attributes
    ----------
    error
        The exception; None also where a background answer or a row says it instead.
    line
        What is said of the failure; empty for an answer.
    text, thinking
        What is kept.
    """

    complete: bool
    error: ClaudeError | None = None
    line: str = ""
    text: str = ""
    thinking: str = ""


@dataclass
class Bench:
    """A kernel's conversation on a line that can be spoiled."""

    line: Line
    demo: DemoServer
    settings: Settings
    ledger: Ledger
    claude: Conversation
    env: Environment
    view: Watched
    warned: list[str]
    shown: list[str]
    stops: list[Stop] = field(default_factory=list[Stop])
    place: Place = field(default_factory=Place)

    def seen(self, since: int) -> str:
        """What the view shows of the parts that it was told since then, blanks aside."""
        blocks: dict[int, str] = {}
        for part in self.view.parts[since:]:
            if isinstance(part, Put) and part.data["type"] in ("text", "thinking"):
                blocks[part.block] = str(part.data["text"])
            elif isinstance(part, Add):
                blocks[part.block] = blocks.get(part.block, "") + part.text
        return "".join("".join(blocks.values()).split())

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        """The Messages requests that got through, oldest first."""
        return [r.body for r in self.demo.requests if r.path.startswith("/v1/messages")]


def prompt_in(body: Mapping[str, Any]) -> str:
    """The newest words of a request."""
    content = body["messages"][-1]["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return " ".join(str(b.get("text") or "") for b in blocks)


@contextmanager
def bench(
    way: Way, folder: Path | None, *, retries: int = 0, timeout: float = 20.0, kernel: str = KERNEL
) -> Iterator[Bench]:
    """A conversation in which `way` can be asked, its user data in `folder` (None: nowhere)."""

    def reply(body: Mapping[str, Any]) -> Script:
        words = prompt_in(body)
        return Script(text=FINE) if NEXT in words or "Continue exactly" in words else way.reply(body)

    with start(reply) as demo, line_to(demo) as line:
        b = assembled(line, demo, folder, kernel)
        b.settings.max_retries, b.settings.timeout = retries, timeout
        try:
            yield b
        finally:
            line.mend()
            b.env.background.stop_all()
            b.env.service.client.close()
            b.ledger.close()


@contextmanager
def another(b: Bench, kernel: str, folder: Path | None) -> Iterator[Bench]:
    """Another kernel on the same line."""
    other = assembled(b.line, b.demo, folder, kernel)
    other.settings.max_retries = b.settings.max_retries
    yield other
    other.env.service.client.close()
    other.ledger.close()


def assembled(line: Line, demo: DemoServer, folder: Path | None, kernel: str) -> Bench:
    """A kernel's conversation whose requests go over `line`."""
    settings = Settings()
    settings.base_url = line.url
    service = Service(settings)
    service.key = KEY
    warned: list[str] = []
    shown: list[str] = []
    ledger = Ledger(folder / "ledger.db" if folder else None, warn=warned.append, kernel=kernel)
    billing = Billing(
        settings, ledger, Owner("tester", kernel, NOTEBOOK), lambda: service.provider, count=service.counted
    )
    view = Watched()
    here: list[Bench] = []

    def make(_id: str, stop: Stop, *, background: bool, typed: bool = False) -> View:
        here[0].stops.append(stop)
        return view

    env = Environment(settings, service, billing, Screen(make, lambda: here[0].place))
    env.frontend.show = lambda value: shown.append(str(value))
    env.journal = Journal(
        folder / "journal" if folder else None, kernel, NOTEBOOK, lambda: "on", warned.append
    )
    claude = Conversation(env)
    env.chats["main"] = claude
    here.append(Bench(line, demo, settings, ledger, claude, env, view, warned, shown))
    return here[0]


# -- the ways -----------------------------------------------------------------------------------------------------------


def ask_with(**options: Any) -> Callable[[Bench], Outcome]:
    """Ask in the cell."""

    def ask(b: Bench) -> Outcome:
        ended = len(b.view.ended)
        try:
            b.claude.ask("What is it?", **options)
        except ClaudeError as error:
            answer = b.view.ended[-1] if len(b.view.ended) > ended else Answer("")
            return Outcome(False, error, error.message, answer.text, answer.thinking)
        return outcome_of(b.view.ended[-1])

    return ask


def ask_in_background(b: Bench) -> Outcome:
    """Ask with `--background`, and wait as a user does who looks at the output."""
    ended = len(b.view.ended)
    try:
        b.claude.ask("What is it?", background=True)
    except ClaudeError as error:  # interrupted before it was under way
        return Outcome(False, error, error.message)
    while len(b.view.ended) == ended or not b.env.background.is_idle:
        with suppress(KeyboardInterrupt):  # of another cell: nothing of ours runs in one
            until(lambda: len(b.view.ended) > ended and b.env.background.is_idle, "the background answer")
    return outcome_of(b.view.ended[-1])


def outcome_of(answer: Answer) -> Outcome:
    """What an answer itself tells of how it ended."""
    notices = [
        b["text"]
        for b in answer.blocks
        if b["type"] == "notice" and b["level"] in ("warning", "stopped", "error")
    ]
    return Outcome(
        answer.complete,
        line="" if answer.complete else notices[0],
        text=answer.text,
        thinking=answer.thinking,
    )


def map_rows(b: Bench) -> Outcome:
    """One prompt over three rows, one after the other."""
    try:
        values = b.claude.map(ROWS, "{value}?", limit=1, no_replay=True)
    except ClaudeError as error:
        return Outcome(False, error, error.message)
    texts = [v for v in values if v is not None]
    line = b.shown[-1].partition("the first: ")[2]
    return Outcome(len(texts) == len(ROWS), line=line, text="\n".join(texts))


def spoken(text: str, **more: Any) -> Script:
    """A reply in few pieces, so that its stream is short."""
    return Script(text=[text[i : i + 19] for i in range(0, len(text), 19)], **more)


def plainly(_body: Mapping[str, Any]) -> Script:
    """Some words."""
    return spoken(TEXT)


def by_tool(body: Mapping[str, Any]) -> Script:
    """A call first, then some words."""
    if any(b.get("type") == "tool_result" for b in body["messages"][-1]["content"]):
        return spoken(TEXT)
    return spoken("I look outside.", calls=[Call("weather", {"city": "Oslo"})])


@dataclass(frozen=True, slots=True)
class Way:
    """A way of asking.

    Attributes
    ----------
    reply
        What the model says to it.
    whole
        The whole answer's text, blanks aside.
    skip
        How many requests go well before the line is spoiled.
    """

    name: str
    reply: Callable[[Mapping[str, Any]], Script]
    ask: Callable[[Bench], Outcome]
    whole: str = TEXT
    skip: int = 0

    def __str__(self) -> str:
        return self.name


_TOOL_TEXT = f"I look outside.{TEXT}"

WAYS: Sequence[Way] = (
    Way("plain", plainly, ask_with()),
    Way("thinking", lambda _body: spoken(TEXT, thinking=THOUGHT), ask_with(thinking="show")),
    Way("tools", by_tool, ask_with(tool=[weather]), _TOOL_TEXT),
    Way("tools, after", by_tool, ask_with(tool=[weather]), _TOOL_TEXT, skip=1),
    Way("structured", lambda _body: spoken(JSON), ask_with(returns=Reply), JSON),
    Way("background", plainly, ask_in_background),
    Way("map", plainly, map_rows, TEXT * len(ROWS), skip=1),
)


def ours() -> list[str]:
    """The threads that the package runs at the moment; its demo server's own is the test's."""
    return [t.name for t in threading.enumerate() if t.name.startswith("claude-") and t.name != "claude-demo"]
