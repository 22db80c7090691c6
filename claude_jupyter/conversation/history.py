"""History as frozen values: which turns a question is asked with, where its own turn goes, and what of them is sent.

Pure functions on tuples of turns; the object that users work with is in `conversation.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from claude_jupyter.answer.model import Block, Layout, Message, Place, Turn
from claude_jupyter.content.files.citations import holds_documents, with_citations
from claude_jupyter.conversation.estimate_tokens import tokens_of
from claude_jupyter.errors import UsageError

Turns = tuple[Turn, ...]

_NO_PAGE: Final = Layout()
_THINKING = ("thinking", "redacted_thinking")


def arranged(turns: Turns, layout: Layout) -> Turns:
    """The turns in the order of the notebook's cells, those of deleted cells marked; `turns` itself where they are so.

    A turn that belongs to no cell of the page (asked in a console, in another notebook, by a deleted cell) stays behind the turn
    it is behind.
    """
    places = _places(turns, layout)
    marked = [_marked(turn, layout, places) for turn in turns]
    order = [n for _, n in sorted((at, n) for n, at in enumerate(_heights(marked, places)))]
    rearranged = tuple(marked[n] for n in order)
    return turns if all(a is b for a, b in zip(rearranged, turns, strict=True)) else rearranged


def _places(turns: Turns, layout: Layout) -> dict[str, int]:
    """Where cells are, from the top; merged ones are where they went until that cell has asked something itself."""
    places = {cell: at for at, cell in enumerate(layout.order)}
    cells = {turn.cell for turn in turns}
    merged = {old: places[new] for old, new in layout.merged if new in places and new not in cells}
    return merged | places


def _marked(turn: Turn, layout: Layout, places: Mapping[str, int]) -> Turn:
    if turn.cell is None:
        return turn
    if turn.cell in layout.deleted and turn.cell not in places:
        return turn if turn.deleted else replace(turn, deleted=True)
    is_back = turn.deleted and (turn.cell in places or turn.cell in layout.returned)
    return replace(turn, deleted=False) if is_back else turn


def _heights(turns: Sequence[Turn], places: Mapping[str, int]) -> list[int]:
    """Where on the page each turn belongs: the place of its cell, else that of the turn before it."""
    heights: list[int] = []
    for turn in turns:
        last = heights[-1] if heights else -1
        heights.append(last if turn.cell is None else places.get(turn.cell, last))
    return heights


def before(turns: Turns, place: Place, layout: Layout = _NO_PAGE, work: Container[str] = ()) -> Turns:
    """The turns that a question asked at `place` follows.

    Where the page tells the order of its cells, they are those of the cells above. Elsewhere a cell that is run again asks with
    the turns before its earlier ones, and a new cell, or a question from nowhere, with all. The turns of this execution of the
    cell are among them.

    A work in progress keeps its own question and steps wherever their cells are moved: where one of them would be missing or out of
    order, they come last, in the order in which they were asked.

    Parameters
    ----------
    turns
        As `arranged` by that layout.
    work
        Ids of the answers of the work that is told what came of its step.
    """
    preceding = _before(turns, place, layout)
    in_work = sorted((t for t in turns if t.answer.id in work and not t.hidden), key=lambda t: t.answer.turn)
    own = [replace(t, deleted=False) for t in in_work]
    if [t.answer.id for t in live(preceding) if t.answer.id in work] == [t.answer.id for t in own]:
        return preceding
    rest = (t for t in preceding if t.answer.id not in work)
    return (*rest, *own)


def _before(turns: Turns, place: Place, layout: Layout) -> Turns:
    if place.cell is None:
        return turns
    if place.cell in layout.order:
        places = _places(turns, layout)
        heights = _heights(turns, places)
        above = (t for t, height in zip(turns, heights, strict=True) if height < places[place.cell])
        own = (t for t in turns if t.cell == place.cell and t.execution == place.execution)
        return (*above, *own)
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


def carried(turns: Turns) -> Turns:
    """The turns that the service still reads: from the last condensed one on."""
    at = max((i for i, t in enumerate(turns) if t.condensed), default=0)
    return turns[at:]


def live(turns: Turns) -> Turns:
    """The turns that are sent: from the last one that started a new conversation, without hidden ones and those of deleted cells."""
    turns = tuple(t for t in turns if not t.deleted)
    start = max((i for i, t in enumerate(turns) if t.starts), default=0)
    return tuple(t for t in turns[start:] if not t.hidden)


def position(turns: Turns, turn: Any) -> int:
    """Where a turn is that is named by its number in the transcript (from 1, or from the end), or is given itself.

    Raises
    ------
    UsageError
        For what is not a turn of these.
    """
    if isinstance(turn, Turn):
        turn = next((i for i, t in enumerate(turns, 1) if t.answer.id == turn.answer.id), 0)
    if not isinstance(turn, int) or isinstance(turn, bool):
        raise UsageError(f"a turn is a number from 1 to {len(turns)}, not {turn!r}")
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
    explicit = (
        t.system
        for t in reversed(turns)
        if t.system is not None and not t.deleted and t.answer.turn > default.since
    )
    return next(explicit, default.text)


class Sent(NamedTuple):
    """What of a history goes over the wire.

    Attributes
    ----------
    messages
        Earlier messages, byte for byte as they were sent before.
    prefix
        Digest of system, tools and messages: the next answer's thinking will be bound to it.
    stripped
        How many turns lost their thinking because what came before them has changed.
    """

    messages: tuple[Message, ...]
    prefix: str
    stripped: int


def sent(turns: Turns, system: Any, tools: Any, *, citations: bool = True) -> Sent:
    """The messages of `turns` as they may be sent under this system prompt and these tools.

    Parameters
    ----------
    citations
        Whether documents may be cited: in one request all of them or none.

    Thinking is bound to what came before it (platform.claude.com, "What's new in Opus 5.5": preserved thinking): a turn whose
    prefix is no longer the one it was made with goes without its thinking blocks. What was left out once stays out, because the
    turns after it were then made with that prefix. Where an edit parted tool calls from their results they are paired again.
    A turn whose documents were sent the other way is a changed one: its thinking goes, and the thinking of what follows it.
    """
    chain = digest_of({"system": system or None, "tools": tools or None})
    messages: list[Message] = []
    stripped = 0
    calls: tuple[str, ...] = ()
    for turn in turns:
        own, digest = turn.messages, turn.digest
        bound = turn.digest != turn.bare
        switched = documents_switched(own, citations)
        if switched is not own:
            own, digest = without_thinking(switched), f"{turn.bare} citations {citations}"
            stripped += bound
            bound = False
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


def documents_switched(messages: Sequence[Message], citations: bool) -> Sequence[Message]:
    """The messages with citations of all their documents on or off; `messages` itself where they are so."""
    switched = [_switched(message, citations) for message in messages]
    return messages if all(a is b for a, b in zip(switched, messages, strict=True)) else switched


def _switched(message: Message, citations: bool) -> Message:
    content = message["content"]
    if message["role"] != "user" or isinstance(content, str):
        return message
    switched = with_citations(content, citations)
    return message if switched is content else {**message, "content": switched}


def sent_anew(turns: Turns, system: Any, tools: Any, *, citations: bool) -> Turns:
    """The turns that the cache does not hold because the last question sent their documents the other way."""
    start = next((i for i, t in enumerate(turns) if _has_documents(t)), None)
    if start is None:
        return ()
    *before, last = turns
    if _has_documents(last):
        switched = documents_switched(last.messages, citations) is not last.messages
    else:
        other = sent(tuple(before), system, tools, citations=not citations).prefix
        switched = last.prefix == other
    return turns[start:] if switched else ()


def _has_documents(turn: Turn) -> bool:
    return any(
        holds_documents(m["content"])
        for m in turn.messages
        if m["role"] == "user" and not isinstance(m["content"], str)
    )


def open_calls(messages: Sequence[Message]) -> tuple[str, ...]:
    """Ids of the tool calls that the last message left open: the next one has to begin with their results."""
    return tuple(b["id"] for b in messages[-1]["content"] if b["type"] == "tool_use") if messages else ()


def answering(content: Sequence[Block], calls: Sequence[str]) -> Sequence[Block]:
    """The user's blocks with a result first for each open call and none for others; `content` itself where that is so."""
    by_call = {b["tool_use_id"]: b for b in content if b["type"] == "tool_result"}
    if set(by_call) == set(calls):
        return content
    rest = [b for b in content if b["type"] != "tool_result"]
    results = [by_call.get(c) or unanswered(c) for c in calls]
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
    stripped: list[Message] = []
    for message in messages:
        content = message["content"]
        if message["role"] == "assistant" and any(b.get("type") in _THINKING for b in content):
            rest = [b for b in content if b.get("type") not in _THINKING]
            message = {**message, "content": rest or [{"type": "text", "text": "(no text)"}]}
        stripped.append(message)
    return stripped


def with_digests(turn: Turn) -> Turn:
    """The turn with its digests and tokens, so that building a request never reads old messages again."""
    digest = digest_of(turn.messages)
    bare = without_thinking(turn.messages)
    same = all(a is b for a, b in zip(bare, turn.messages, strict=True))
    rest = _from_summary(turn.messages)
    condensed = rest is not turn.messages
    # What is before the service's summary is not read anymore.
    tokens = tokens_of(rest, () if condensed else turn.answer.attachments)
    bare_digest = digest if same else digest_of(bare)
    return replace(turn, digest=digest, bare=bare_digest, tokens=tokens, condensed=condensed)


def verified(turn: Turn) -> Turn:
    """A turn read from a file, with its digests; messages that were changed since lose their thinking, which is bound to what they were."""
    fresh = with_digests(turn)
    if turn.digest in ("", fresh.digest):
        return fresh
    return with_digests(replace(turn, messages=tuple(without_thinking(turn.messages))))


def _from_summary(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages from the last block on in which the service condensed what came before; all if there is none."""
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
    """Images in the messages; those in tool results count too (platform.claude.com/docs/en/build-with-claude/vision)."""
    count = 0
    for message in messages:
        content = message["content"]
        for block in content if not isinstance(content, str) else ():
            if block.get("type") == "image":
                count += 1
            elif block.get("type") == "tool_result" and isinstance(block.get("content"), list):
                count += sum(b.get("type") == "image" for b in block["content"])
    return count
