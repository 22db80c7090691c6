"""The values that everything else uses: attachments, answers, turns, and the parts of an answer as it arrives.

Pure and frozen: no network, no display, no IPython. `conversation/` makes them, `display/` shows them, neither knows the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from claude_jupyter.answer import markdown_code
from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.encodable import encodable

Block = Mapping[str, Any]
"""A content block as it goes over the wire (Messages API), or as it appears in the answer JSON."""

Message = Mapping[str, Any]
"""`{"role": "user" | "assistant", "content": [Block, …]}`, exactly as sent or to be sent again."""

Level = Literal["info", "warning", "stopped", "error"]
"""How serious a notice is; the same names in the page."""

AttachmentKind = Literal["image", "frame", "document", "text", "cell", "error"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """One value as it is shown to Claude.

    Attributes
    ----------
    label
        The expression or file name it was named by (never a path of the machine).
    kind
        What kind of attachment it became.
    blocks
        Content blocks as sent, including the label as text; images with their final bytes.
    sent
        What was sent, for the chip: `schema + 10 of 48,210 rows`, `1,600 × 1,000`.
    tokens
        Estimated prompt tokens of `blocks`.
    size
        (width, height) in pixels of an image as sent.
    thumbnail
        A `data:` URL of at most 3 KB.
    notes
        Notices for the answer: what was cut, what was redacted (names, never values).
    rows
        Whether `blocks` contain cell values of a dataframe (`--rows none` refuses chats that do).
    """

    label: str
    kind: AttachmentKind
    blocks: tuple[Block, ...]
    sent: str
    tokens: int
    size: tuple[int, int] | None = None
    thumbnail: str | None = None
    notes: tuple[str, ...] = ()
    rows: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """What is sent as text, in order: text blocks, and documents that are text."""
        sources = (b.get("source") or {} if b.get("type") == "document" else b for b in self.blocks)
        return tuple(s["data" if "media_type" in s else "text"] for s in sources if s.get("type") == "text")


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of `claude.models`.

    Attributes
    ----------
    context, max_output
        Tokens.
    input, output, cache_read
        List prices in USD per million tokens; None if not known.
    thinking
        Whether the model thinks by default, and which settings it supports.
    retires
        ISO date of its retirement, if one is announced.
    """

    id: str
    context: int
    max_output: int
    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None
    thinking: str
    retires: str | None = None


class Models(tuple[Listed, ...]):
    """The available models, newest lines first; displayed as a table.

    Attributes
    ----------
    source
        `Models API`, or the date of the built-in table if there is no key.
    """

    source: str

    def __new__(cls, models: Iterable[Listed], source: str) -> Models:
        listing = super().__new__(cls, tuple(models))
        listing.source = source
        return listing

    @property
    def ids(self) -> list[str]:
        """The model ids."""
        return [m.id for m in self]

    def __repr__(self) -> str:
        rows = [("model", "in/out $ per M", "context", "most out", "thinks", "retires")]
        for m in self:
            price = f"{m.input}/{m.output}" if m.input is not None else "unknown"
            rows.append((m.id, price, f"{m.context:,}", f"{m.max_output:,}", m.thinking, m.retires or ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, f"({self.source})"])


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one request contains: shown by `--dry-run` before sending, and `Answer.sent` afterwards.

    Attributes
    ----------
    model, provider, chat
        Which model is asked, and in which conversation.
    prompt
        The question, with secrets redacted.
    attachments
        What it points at, with the blocks that are sent.
    parts
        (name, estimated tokens) of everything in the prompt: system, tools, earlier turns, each attachment, the question.
    least, most
        USD for the prompt alone, and with the longest answer; None if the price is not known.
    max_tokens
        The longest answer.
    request
        The parameters as they are sent; no header, no key.
    notes
        What was left out, cut or replaced.
    left
        Whether it was sent.
    """

    model: str
    provider: str
    chat: str
    prompt: str
    attachments: tuple[Attachment, ...]
    parts: tuple[tuple[str, int], ...]
    least: Decimal | None
    most: Decimal | None
    max_tokens: int
    request: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    left: bool = False

    @property
    def tokens(self) -> int:
        """Estimated tokens of the whole prompt."""
        return sum(count for _, count in self.parts)

    def __str__(self) -> str:
        lines = [f"{name}: {count:,} tokens" for name, count in self.parts]
        texts = [text for a in self.attachments for text in a.texts]
        return "\n".join([*lines, *texts, self.prompt])


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """The answer to one question, finished or not.

    Attributes
    ----------
    id
        Unique; also the display id of its output.
    blocks
        In order: `{"type": "text", "text"}`, `{"type": "thinking", "text", "seconds"}`,
        `{"type": "tool", "id", "name", "kind", "input", "result", "error", "seconds"}`,
        `{"type": "citation", "n", "title", "url", "cited"}`, `{"type": "notice", "level", "text"}`. A citation of a document
        has no `url`, and says where the quote `cited` is: `pages` (first and last, from 1), or `characters` of a text (start
        and end, from 0, end excluded). It follows the paragraph whose claim it supports.
    message
        The last response as the service sent it (Messages API), or None if nothing arrived.
    value
        The validated structured value, if one was requested.
    sent
        What the first request contained, as `--dry-run` shows it.
    estimated
        True if tokens and cost are a lower bound (stopped, broken stream).
    cost
        List price in USD; None if the model's price is unknown.
    billed
        False for the demo model and replays: the cost is then what it would have been.
    once, starts
        Whether it is outside the history (`--once`), and whether a new conversation starts with it (`-n`).
    rewritten
        Tokens that were paid for again because the cache had expired.
    """

    id: str
    chat: str = "main"
    turn: int = 0
    model: str = ""
    provider: str = "anthropic"
    blocks: tuple[Block, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost: Cost | None = None
    estimated: bool = False
    complete: bool = False
    stop_reason: str | None = None
    started: datetime | None = None
    seconds: float = 0.0
    replayed: bool = False
    billed: bool = True
    message: Mapping[str, Any] | None = None
    value: Any = None
    sent: Receipt | None = None
    once: bool = False
    starts: bool = False
    rewritten: int = 0

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def text(self) -> str:
        """The answer's text, verbatim: all its text blocks, with a blank line between those separated by a tool call."""
        return join_texts([b["text"] for b in self.blocks if b["type"] == "text"])

    @property
    def thinking(self) -> str:
        """The thinking the service showed, summarized by it."""
        return "\n\n".join(b["text"] for b in self.blocks if b["type"] == "thinking" and b["text"])

    @property
    def code(self) -> str:
        """The code of the answer's fenced blocks, joined as for one cell; empty if there is none."""
        return "\n\n".join(self.codes)

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each fenced Python block; if none is marked as Python, of the unmarked blocks, else of all."""
        return markdown_code.codes(self.text)

    @property
    def citations(self) -> tuple[Block, ...]:
        """The sources the answer cites: web pages by `url`, quotes of documents by `pages` or `characters`."""
        return tuple(b for b in self.blocks if b["type"] == "citation")

    @property
    def tools(self) -> tuple[Block, ...]:
        """The tool calls made, each with its input and result."""
        return tuple(b for b in self.blocks if b["type"] == "tool")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = " ".join(self.text.split())
        preview = f"{text[:60]}…" if len(text) > 60 else text
        state = "" if self.complete else ", not complete"
        price = dollars(self.cost, estimated=self.estimated)
        return f"<Answer {self.turn}: {preview!r}, {self.usage.total:,} tokens, {price}{state}>"


def join_texts(texts: Sequence[str]) -> str:
    """Text blocks as one text. Blocks that follow each other directly (citations split them) are one already
    when the caller merged them; what a tool call or thinking parted is a paragraph apart."""
    return "\n\n".join(t for t in (t.strip("\n") if i else t for i, t in enumerate(texts)) if t)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and everything that answered it, as it is sent again.

    Attributes
    ----------
    messages
        The user's message, then the assistant's; with tools, the rounds between. Never edited.
    cell
        The notebook's id of the cell that asked, or None (terminal, nbclient).
    execution
        Id of the execution that asked: questions of one execution add up, a new one replaces.
    since
        Number of the question with which its cell came into the history; 0: its own.
    prompt
        The prompt as typed, for transcripts.
    starts
        True if a new conversation started here (`-n`): turns before it are no longer sent.
    hidden
        True if the user hid it: kept in the transcript, not sent.
    deleted
        True if its cell was deleted from the notebook: kept in the transcript, not sent.
    unseen
        True if no output shows it: a stream that was read in Python.
    system
        The system prompt from this turn on (None: unchanged).
    prefix
        Digest of what came before it when it was asked (system, tools, earlier messages): its thinking is bound to that.
    digest, bare
        Digests of `messages` as they are, and without thinking.
    tokens
        Estimated tokens of `messages`.
    condensed
        Whether the service summarized everything before it: `messages` contain its summary.
    """

    messages: tuple[Message, ...]
    answer: Answer
    prefix: str = ""
    digest: str = ""
    bare: str = ""
    tokens: int = 0
    condensed: bool = False
    cell: str | None = None
    execution: str | None = None
    since: int = 0
    prompt: str = ""
    starts: bool = False
    hidden: bool = False
    deleted: bool = False
    unseen: bool = False
    system: str | None = None

    def __repr__(self) -> str:
        words = " ".join(self.prompt.split())
        question = words if len(words) <= 60 else words[:59] + "…"
        return f"<Turn {self.answer.turn}: {question!r}, {self.answer.usage.total:,} tokens>"


class Place(NamedTuple):
    """The cell in which a question is asked.

    Attributes
    ----------
    cell
        The notebook's id of the cell, or None if there is none (terminal, nbclient, plain Python).
    execution
        Id of this execution of it.
    """

    cell: str | None = None
    execution: str | None = None


class Layout(NamedTuple):
    """The notebook's cells, by id, as far as its page says.

    Attributes
    ----------
    order
        From top to bottom; empty if no page tells.
    deleted
        Cells that are gone.
    returned
        Cells that were deleted and ran since.
    merged
        Cells that were merged into another one, each with that one's id.
    """

    order: tuple[str, ...] = ()
    deleted: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    merged: tuple[tuple[str, str], ...] = ()


def cell_hash(cell: str) -> str:
    """What is kept of a cell's id outside of the notebook: a hash, for the ledger."""
    return hashlib.sha256(encodable(cell).encode()).hexdigest()[:16]


class Put(NamedTuple):
    """A block of the answer opened or changed: `data` is the whole block as in `Answer.blocks`."""

    block: int
    data: Block


class Add(NamedTuple):
    """Text that arrived at the end of a text or thinking block."""

    block: int
    text: str


class Status(NamedTuple):
    """What is being waited for: `Thinking`, `The service is busy (529). Trying again`; `until` counts down seconds."""

    text: str
    until: float | None = None


class Meter(NamedTuple):
    """Tokens and price so far; `output` is an estimate while the answer runs."""

    usage: Usage
    cost: Cost | None


Part = Put | Add | Status | Meter
"""What a view is told while an answer arrives."""


class View(Protocol):
    """Where an answer is shown: the widget, the terminal, a plain output, or nowhere (`display/`)."""

    def begin(self, answer: Answer) -> None:
        """Show the empty answer: model, attachments, a Stop."""

    def show(self, parts: Sequence[Part]) -> None:
        """Show what arrived since the last call; called at most 20 times a second."""

    def end(self, answer: Answer) -> None:
        """Replace what is shown by the durable output of the finished (or stopped, or failed) answer."""
