"""What is kept of an answer to be sent again, however it ended: tool calls with their results, nothing empty, nothing unsigned.

Pure. How it came to that end is `run.py`; what later edits of the history make of it is `history.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_jupyter.answer.model import Block, Message

STOPPED = "(The answer was stopped here.)"
EMPTY = "(no text)"

_THINKING = ("thinking", "redacted_thinking")


def turn_messages(
    question: Sequence[Block],
    rounds: Sequence[Message],
    content: Sequence[Block],
    *,
    complete: bool,
    cut: bool,
) -> tuple[Message, ...]:
    """The messages of a turn, or none if nothing is worth keeping.

    Parameters
    ----------
    question
        The user's blocks.
    rounds
        Assistant and tool-result messages before the last response.
    content
        The last response's blocks as they are sent back; empty if `rounds` hold it already.
    complete
        Whether the service finished it.
    cut
        Whether it finished for want of room: its calls may lack arguments.
    """
    if not question:
        return ()
    before = list(rounds)
    own = [b for b in content if _is_signed(b)]
    if cut or not complete:
        own = [b for b in own if b["type"] != "tool_use"]
    if before and before[-1]["role"] == "assistant":
        calls = [b["id"] for b in before[-1]["content"] if b["type"] == "tool_use"]
        if calls:  # stopped between a call and its result
            before.append({"role": "user", "content": [_no_result(c) for c in calls]})
        else:
            own = [*before.pop()["content"], *own]
    own = _answered(own)
    if not own and not before:
        return ()
    return (
        {"role": "user", "content": list(question)},
        *before,
        {"role": "assistant", "content": spoken(own, EMPTY if complete else STOPPED)},
    )


def spoken(content: Sequence[Block], note: str = EMPTY) -> list[Block]:
    """The blocks of an assistant message, with a word at the end where there would be nothing but thinking."""
    if content and content[-1]["type"] not in _THINKING:
        return list(content)
    return [*content, {"type": "text", "text": note}]


def _is_signed(block: Block) -> bool:
    """False for thinking that broke off: the service takes only what it has signed."""
    return block["type"] != "thinking" or bool(block.get("signature"))


def _answered(content: Sequence[Block]) -> list[Block]:
    """The blocks without a server tool's call whose result never came."""
    results = {b.get("tool_use_id") for b in content}
    return [b for b in content if b["type"] not in ("server_tool_use", "mcp_tool_use") or b["id"] in results]


def _no_result(tool_id: str) -> Mapping[str, Any]:
    return {
        "type": "tool_result",
        "tool_use_id": tool_id,
        "content": "The user stopped before this tool had run.",
        "is_error": True,
    }
