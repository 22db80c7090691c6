"""Bytes and messages from the kernel to the page for one answer, by size: live messages, durable bundle, the view's code."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.figures import figure, title
from support.kernel import Execution, Message, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.raw_server import Play, raw_server, text_events

SIZES = (8_000, 80_000, 800_000)
SECONDS = {8_000: 4.0, 80_000: 8.0, 800_000: 16.0}
PARAGRAPH = "The quick brown fox jumps over the lazy dog, and *nothing* comes of it but `code`. " * 4 + "\n\n"


def answer_of(size: int) -> str:
    """Plain prose of `size` bytes."""
    return (PARAGRAPH * (size // len(PARAGRAPH) + 1))[:size]


def paced(text: str, seconds: float) -> Play:
    """Deltas of 12 characters over `seconds`, in about 200 pieces a second at most."""
    events = text_events(text)
    pieces = max(1, min(len(events), int(seconds * 200)))
    step = -(-len(events) // pieces)
    joined = [b"".join(events[i : i + step]) for i in range(0, len(events), step)]
    return Play([part for piece in joined for part in (piece, seconds / len(joined))])


def content(messages: Sequence[Message]) -> int:
    """Bytes of the messages' content (JSON) and buffers."""
    return sum(
        len(json.dumps(m.content, ensure_ascii=False).encode()) + sum(map(len, m.buffers)) for m in messages
    )


def most_a_second(messages: Sequence[Message]) -> int:
    """The most messages in any second."""
    times = [m.at for m in messages]
    return max((sum(1 for other in times if at <= other < at + 1) for at in times), default=0)


def is_live(message: Message, code: set[str]) -> bool:
    """A delta or snapshot on the way, as opposed to the view's code, the widget's opening and closing, and the end."""
    return message.type in ("comm_msg", "update_display_data") and message.content.get("comm_id") not in code


def told(done: Execution, n: int) -> dict[str, Any]:
    opened = done.of("comm_open")
    code = {m.content["comm_id"] for m in opened if m.size > 20_000}
    live = [m for m in done.messages if is_live(m, code)]
    durable = [m for m in live if "application/vnd.claude-jupyter.answer+json" in m.content.get("data", {})][
        -1:
    ]
    live = [m for m in live if m not in durable]
    return {
        "live": content(live),
        "messages": len(live),
        "allowed": 1.1 * n + 120 * len(live),
        "rate": most_a_second(live),
        "durable": content(durable),
        "code": sum(m.size for m in opened if m.content["comm_id"] in code),
        "opening": sum(m.size for m in opened if m.content["comm_id"] not in code),
        "wire": sum(m.size for m in done.messages),
    }


def main(sizes: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, raw_server() as server:
        env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=f"{folder}/data")
        with running_kernel(Path(folder), env, LOAD) as kernel:
            for size in sizes:
                text = answer_of(size)
                server.reset(paced(text, SECONDS.get(size, 8.0)))
                began = time.monotonic()
                done = kernel.run("%%claude --once\nWrite.", cell_id=f"cell-{size}", timeout=300)
                assert done.ok, done.error
                seen = told(done, len(text.encode()))
                title(f"An answer of {size:,} bytes over {time.monotonic() - began:.1f} s")
                figure("live messages, content", seen["live"], "bytes", of=seen["allowed"], limit=1.0)
                figure("live messages, most in a second", seen["rate"], "", limit=25)
                figure("live messages, in all", seen["messages"], "")
                figure("durable bundle, content", seen["durable"], "bytes", of=float(size))
                figure("the view's code", seen["code"], "bytes")
                figure("the widget's opening", seen["opening"], "bytes")
                figure("everything on iopub, with headers", seen["wire"], "bytes", of=float(size))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SIZES)
