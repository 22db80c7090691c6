"""History as frozen values: which turns a question is asked with, where its own turn goes, and what of them is sent.

Pure functions on tuples of turns; the object that people hold is `conversation.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from claude_jupyter.conversation.measure import tokens_of
from claude_jupyter.errors import UsageError
from claude_jupyter.turns import Block, Message, Place, Turn

Turns = tuple[Turn, ...]

_THINKING = ("thinking", "redacted_thinking")


def before(turns: Turns, place: Place) -> Turns:
    """The turns that a question asked at `place` follows.

    A cell that is run again asks with the turns before its earlier ones, and after those of this execution; a new cell, or a
    question from nowhere, with all.
    """
    if place.cell is None:
        return turns
    start = next((i for i, t in enumerate(turns) if t.cell == place.cell), None)
    if start is None:
        return turns
    own = tuple(t for t in turns[start:] if t.cell == place.cell and t.execution == place.execution)
    return (*(t for t in turns[:start] if t.cell != place.cell), *own)


def placed(turns: Turns, turn: Turn) -> Turns:
    """The turns with a finished one in its place: it replaces what earlier executions of its cell asked.

    Turns stay in the order in which their cells were first asked; later ones stay as they are.
    """
    start = next((i for i, t in enumerate(turns) if t.cell is not None and t.cell == turn.cell), None)
    if start is None:
        # Asked at once, finished in another order: they stand as they were asked.
        start = len(turns)
        while start and _since(turns[start - 1]) > turn.answer.turn:
            start -= 1
        return (*turns[:start], turn, *turns[start:])
    turn = replace(turn, since=min(_since(t) for t in turns if t.cell == turn.cell))
    own = tuple(t for t in turns[start:] if t.cell == turn.cell and t.execution == turn.execution)
    rest = tuple(t for t in turns[start:] if t.cell != turn.cell)
    return (*turns[:start], *sorted((*own, turn), key=lambda t: t.answer.turn), *rest)


def _since(turn: Turn) -> int:
    return turn.since or turn.answer.turn


def overtaken(turns: Turns, turn: Turn) -> bool:
    """Whether a later execution of its cell was answered first: then the cell owns that one's turns."""
    return turn.cell is not None and any(
        t.cell == turn.cell and t.execution != turn.execution and t.answer.turn > turn.answer.turn
        for t in turns
    )


def replaced(turns: Turns, turn: Turn) -> int:
    """How many earlier turns of its cell `placed` takes away."""
    return len(turns) + 1 - len(placed(turns, turn))


def live(turns: Turns) -> Turns:
    """The turns that are sent: from the last one that began afresh on, without hidden ones."""
    start = max((i for i, t in enumerate(turns) if t.starts), default=0)
    return tuple(t for t in turns[start:] if not t.hidden)


def position(turns: Turns, turn: Any) -> int:
    """Where a turn stands that is named by its number in the transcript (from 1, or from the end), or is given itself.

    Raises
    ------
    UsageError
        For what is no turn of these.
    """
    if isinstance(turn, Turn):
        turn = next((i for i, t in enumerate(turns, 1) if t.answer.id == turn.answer.id), 0)
    if not isinstance(turn, int) or isinstance(turn, bool):
        raise UsageError(f"a turn is named by its number, 1 to {len(turns)}, not {turn!r}")
    at = turn - 1 if turn > 0 else len(turns) + turn
    if turn == 0 or not 0 <= at < len(turns):
        raise UsageError(f"there is no turn {turn}: this chat has {len(turns)}")
    return at


class System(NamedTuple):
    """The system prompt of a chat, and after how many questions it was set: `-s` of a later one goes before it."""

    text: str
    since: int = -1


UNSET: Final = System("")


def system_at(turns: Turns, default: System) -> str:
    """The system prompt in force after these turns: the last one that a turn set since the chat's own, else that."""
    said = (t.system for t in reversed(turns) if t.system is not None and t.answer.turn > default.since)
    return next(said, default.text)


class Sent(NamedTuple):
    """What of a history goes over the wire.

    Attributes
    ----------
    messages
        Earlier messages, byte for byte as they were sent before.
    prefix
        Digest of system, tools and messages: the next answer's thinking will be bound to it.
    stripped
        How many turns lost their thinking because what stood before them has changed.
    """

    messages: tuple[Message, ...]
    prefix: str
    stripped: int


def sent(turns: Turns, system: Any, tools: Any) -> Sent:
    """The messages of `turns` as they may be sent under this system prompt and these tools.

    Thinking is bound to what stood before it (platform.claude.com, "What's new in Opus 5.5": preserved thinking): a turn whose
    prefix is no longer the one it was made with goes without its thinking blocks. What was left out once stays out, because the
    turns after it were then made with that prefix. Where an edit parted tool calls from their results they are paired again.
    """
    chain = digest_of({"system": system or None, "tools": tools or None})
    messages: list[Message] = []
    stripped = 0
    calls: tuple[str, ...] = ()
    for turn in turns:
        own, digest = turn.messages, turn.digest
        bound = turn.digest != turn.bare
        content = answering(own[0]["content"], calls)
        if content is not own[0]["content"]:
            own = ({**own[0], "content": content}, *without_thinking(own[1:]))
            digest = digest_of(own)
            stripped += bound
        elif bound and turn.prefix != chain:
            own, digest = without_thinking(own), turn.bare
            stripped += 1
        messages.extend(own)
        chain = _chained(chain, digest)
        calls = open_calls(own)
    return Sent(tuple(messages), chain, stripped)


def open_calls(messages: Sequence[Message]) -> tuple[str, ...]:
    """Ids of the tool calls that the last message left open: the next one has to begin with their results."""
    return tuple(b["id"] for b in messages[-1]["content"] if b["type"] == "tool_use") if messages else ()


def answering(content: Sequence[Block], calls: Sequence[str]) -> Sequence[Block]:
    """The user's blocks with a result first for each open call and none for others; `content` itself where that is so."""
    given = {b["tool_use_id"]: b for b in content if b["type"] == "tool_result"}
    if set(given) == set(calls):
        return content
    rest = [b for b in content if b["type"] != "tool_result"]
    results = [given.get(c) or unanswered(c) for c in calls]
    return [*results, *rest] or [{"type": "text", "text": "(Results of tools stood here.)"}]


def unanswered(call: str) -> Block:
    """The result of a call that nobody answered."""
    return {
        "type": "tool_result",
        "tool_use_id": call,
        "content": "This call was not answered.",
        "is_error": True,
    }


def without_thinking(messages: Sequence[Message]) -> list[Message]:
    """The messages without thinking blocks; an assistant message that was nothing else becomes a short note, never empty."""
    kept: list[Message] = []
    for message in messages:
        content = message["content"]
        if message["role"] == "assistant" and any(b.get("type") in _THINKING for b in content):
            rest = [b for b in content if b.get("type") not in _THINKING]
            message = {**message, "content": rest or [{"type": "text", "text": "(no text)"}]}
        kept.append(message)
    return kept


def sealed(turn: Turn) -> Turn:
    """The turn with its digests and tokens, so that building a request never reads old messages again."""
    digest = digest_of(turn.messages)
    bare = without_thinking(turn.messages)
    same = all(a is b for a, b in zip(bare, turn.messages, strict=True))
    rest = _from_summary(turn.messages)
    condensed = rest is not turn.messages
    # What stands before the service's summary is not read any more.
    tokens = tokens_of(rest, () if condensed else turn.answer.attachments)
    bare_digest = digest if same else digest_of(bare)
    return replace(turn, digest=digest, bare=bare_digest, tokens=tokens, condensed=condensed)


def _from_summary(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages from the last block on in which the service condensed what stood before; all where there is none."""
    for i in range(len(messages) - 1, -1, -1):
        content = messages[i]["content"]
        at = max((j for j, b in enumerate(content) if b.get("type") == "compaction"), default=None)
        if at is not None:
            return ({**messages[i], "content": content[at:]}, *messages[i + 1 :])
    return messages


def digest_of(value: Any) -> str:
    """A digest of any JSON value, equal for equal values."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _chained(chain: str, digest: str) -> str:
    return hashlib.sha256(f"{chain}{digest}".encode()).hexdigest()[:32]


def images_in(messages: Iterable[Message]) -> int:
    """Images in the messages, tool results included (ANTHROPIC_API: they count towards the many-images limit)."""
    count = 0
    for message in messages:
        content = message["content"]
        for block in content if not isinstance(content, str) else ():
            if block.get("type") == "image":
                count += 1
            elif block.get("type") == "tool_result" and isinstance(block.get("content"), list):
                count += sum(b.get("type") == "image" for b in block["content"])
    return count
