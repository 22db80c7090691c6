"""One figure everywhere: ledger, `%claude_cost`, panel, status bar, metadata, footers and export agree, in a real kernel."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.asking import ask
from support.kernel import ANSWER, Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment

from claude_jupyter.costs.usage import dollars
from claude_jupyter.demo import server as demo

STATE = "__import__('claude_jupyter.magics.page.link').magics.page.link.state(h := __import__('claude_jupyter.extension').extension.get_extension(), {})"  # noqa: E501


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    with demo.start() as model:

        def begin() -> Any:
            env = environment(
                model.url, CLAUDE_JUPYTER_DATA_DIR=str(tmp_path / "data"), JPY_SESSION_NAME="morning.ipynb"
            )
            return running_kernel(tmp_path, env, LOAD)

        yield begin


def state(kernel: Kernel, chat: str = "h.claude") -> dict[str, Any]:
    """What the page is told."""
    return dict(kernel.value(STATE.format(chat)))


def billed(folder: Path) -> tuple[Decimal, Decimal]:
    """Dollars of the ledger's rows: billed, and what the demo model would have cost."""
    with closing(sqlite3.connect(folder / "data" / "ledger.db")) as db:
        rows = db.execute("SELECT provider, cost_usd FROM calls").fetchall()
    demo_ = sum((Decimal(usd) for provider, usd in rows if provider == "demo"), Decimal(0))
    return sum((Decimal(usd) for provider, usd in rows if provider != "demo"), Decimal(0)), demo_


def rows(told: dict[str, Any], figure: str) -> Decimal:
    """The sum of the panel's rows."""
    return sum(
        (Decimal(r[figure]) for r in (*told["turns"], *told["others"]) if r.get("counted", True)), Decimal(0)
    )


def cost(done: Execution) -> Decimal:
    assert done.ok, done.error
    return Decimal(done.answer[ANSWER]["cost"])


def spend(kernel: Kernel) -> Decimal:
    """A session with all kinds of requests; dollars of the footers of what was billed."""
    usd = [cost(ask(kernel, "One?", cell_id="a")), cost(ask(kernel, "Two?", cell_id="b"))]
    usd.append(cost(ask(kernel, "Two, but shorter?", cell_id="b")))  # replaces
    assert kernel.run("out = claude.map(['x', 'y', 'z'], 'Say {value}')").ok
    usd.append(cost(ask(kernel, "Three?", cell_id="c")))
    assert kernel.run("claude.undo(); side = claude.fork('side')").ok
    usd.append(cost(ask(kernel, "Beside?", "-c side", cell_id="d")))
    usd.append(cost(ask(kernel, "Once?", "--once", cell_id="e")))
    assert kernel.run("_ = claude.compact()").ok
    assert kernel.run("%config ClaudeMagics.replay = 'auto'").ok
    usd.append(cost(ask(kernel, "Again?", "--once", cell_id="f")))
    assert cost(ask(kernel, "Again?", "--once", cell_id="g")) == 0
    assert kernel.run("%config ClaudeMagics.replay = 'off'").ok
    return sum(usd, Decimal(0))


def test_every_figure_of_a_session_is_the_same(start: Callable[[], Any], tmp_path: Path) -> None:
    with start() as kernel:
        footers = spend(kernel)
        real, none = billed(tmp_path)
        assert none == 0 and real > footers, "map and the summary have rows too"
        told = state(kernel)
        assert Decimal(told["kernel"]["cost"]) == Decimal(told["notebook"]["cost"]) == real
        assert rows(told, "cost") == real
        assert {"map, summaries, replaced and undone answers", "other chats"} <= {
            r["label"] for r in told["others"]
        }
        assert rows(state(kernel, "h.claude.chat('side')"), "cost") == real, "whatever chat is shown"
        chats = kernel.value("[str(c.cost) for c in claude.chats.values()]")
        assert sum(map(Decimal, chats)) == real

        assert kernel.run("%config ClaudeMagics.provider = 'demo'").ok
        free = cost(ask(kernel, "Offline?", "-c offline", cell_id="h"))
        told = state(kernel)
        assert billed(tmp_path) == (real, free)
        assert Decimal(told["notebook"]["cost"]) == rows(told, "cost") == real
        assert Decimal(told["notebook"]["unbilled"]) == rows(told, "unbilled") == free
        for by in ("cell", "turn", "chat", "model", "day"):
            report = str(kernel.run(f"%claude_cost --by {by}").bundles[0]["text/plain"])
            total = next(line for line in report.splitlines() if line.startswith("this notebook"))
            assert total.endswith(f"{dollars(real)}, demo {dollars(free)}"), report
            assert f"this kernel {dollars(real)}" in report and f"today {dollars(real)}" in report
        assert kernel.run("claude.export('main.md'); claude.chat('offline').export('offline.md')").ok
        assert "nothing billed" in (tmp_path / "offline.md").read_text()
        (total,) = re.findall(r"tokens · ([^,\n]+), .* outside of these turns", _plain(tmp_path / "main.md"))
        assert total == dollars(Decimal(kernel.value("str(claude.cost)")))

    with start() as again:
        told = state(again)
        assert Decimal(told["notebook"]["cost"]) == rows(told, "cost") == real
        assert told["kernel"]["calls"] == 0 and [r["label"] for r in told["others"]] == [
            "this notebook in earlier kernels"
        ]


def _plain(path: Path) -> str:
    """Markdown with the characters that were made inert."""
    text = re.sub(r"</?span>", "", path.read_text())
    return re.sub(r"&#(\d+);", lambda m: chr(int(m[1])), text).replace("\u200b", "").replace("\\", "")
