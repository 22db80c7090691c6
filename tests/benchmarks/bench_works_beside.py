"""Works in cells: ours as a table, and five small works beside the notebook tools of others, on the same scripted model.

`python tests/benchmarks/bench_works_beside.py [--install] [--only ours,beside]`. Real kernels; for `beside` also JupyterLab and marimo
in Chromium, and each alternative in an environment of its own (`.bench-venvs`; `--install` makes it). Prints tables in Markdown, judges
nothing.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.beside import agents
from benchmarks.beside.alternatives import Alternative
from benchmarks.beside.environments import home
from kernel import test_scripted_works as scripted
from playwright.sync_api import Browser, sync_playwright
from support import audit
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import environment
from support.lab import chromium
from support.long_talk import dollars
from support.works import WORKS, Case, replies, titles

Opened = Callable[[Browser, Path, Path], AbstractContextManager[agents.Agent]]
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.gca()"
SAME = ("pandas", "matplotlib")
BESIDE: tuple[tuple[Alternative, str, Opened], ...] = (
    (Alternative(name="claude-jupyter", load="", ask=""), "", agents.ours),
    (
        Alternative(name="jupyter-mcp-server", packages=("jupyter-mcp-server", *SAME), load="", ask=""),
        "by index",
        agents.jupyter_mcp,
    ),
    (
        Alternative(name="jupyter-mcp-server", packages=("jupyter-mcp-server", *SAME), load="", ask=""),
        "by cell id",
        partial(agents.jupyter_mcp, by_id=True),
    ),
    (
        Alternative(
            name="notebook-intelligence",
            packages=("notebook-intelligence", "jupyterlab", *SAME),
            load="",
            ask="",
        ),
        "",
        agents.intelligence,
    ),
    (
        Alternative(name="marimo", packages=("marimo[mcp]", *SAME), load="", ask=""),
        "code mode",
        agents.marimo,
    ),
)


def played(agent: agents.Agent, folder: Path) -> dict[str, str]:
    """The five works; a row each of what was seen."""
    seen = {"tool definitions, in each request, tokens": ""}
    agent.play(PLOT)
    seen["a plot, back to the model, tokens"] = f"{agent.told:,}"
    seen["tool definitions, in each request, tokens"] = f"{agent.definitions:,}"
    agent.play("sales['nothing']", "total = int(sales['amount'].sum())")
    right = agent.value("total") == 30 and "sales['nothing']" not in agent.cells()
    seen["a cell that fails and is corrected"] = "corrected" if right else "not corrected"
    asked = agent.asked
    agent.play("sales.drop(columns='region', inplace=True)")
    seen["a dataframe changed in place: asked first"] = "yes" if agent.asked > asked else "no"
    if agent.undo is not None:
        agent.undo()
    back = agent.value("'region' in sales")
    seen["the change undone"] = "yes" if back else "no tool for it" if agent.undo is None else "no"
    asked, victim = agent.asked, folder / "notebooks" / "precious.txt"
    victim.write_text("precious")
    agent.play("import os\nos.remove('precious.txt')", approve=False)
    seen["a file deleted: asked first"] = "yes" if agent.asked > asked else "no"
    seen["the file, if the user says no"] = "kept" if victim.exists() else "deleted"
    before = agent.cells()
    agent.play("wrong = nothing_here", "wrong = 'right'", at=1, between=agent.delete_first)
    after = agent.cells()
    lost = [cell for cell in before[1:] if cell not in after]
    seen["the user deletes a cell before a correction: user's cells lost"] = str(
        len([c for c in lost if c in agents.USERS])
    )
    seen["… the corrected cell"] = (
        "corrected"
        if any("wrong = 'right'" in c for c in after) and not any("nothing_here" in c for c in after)
        else "not corrected"
    )
    return seen


KINDS = {
    "one step": "as it goes",
    "an error is corrected": "errors",
    "edited": "edits, skips, words",
    "keep going over ten steps": "keep going",
    "headless": "without a person",
    "stopped while it waits": "stops",
    "deleted": "what else happens",
    "so many steps and no more": "bounds",
    "two calls in one reply": "faults of the model and the service",
}
"""By the first work of each kind."""
VARIABLES = "{n: repr(v) for n, v in globals().items() if n[0] != '_' and n not in _base and type(v).__name__ != 'module'}"
"""Imported modules may stay."""


@dataclass(slots=True)
class Sum:
    """Of the works of a kind."""

    works: int = 0
    cells: int = 0
    approvals: int = 0
    most: int = 0
    cost: Decimal = Decimal(0)
    changed: int = 0
    restored: int = 0
    lost: int = 0
    unapproved: int = 0

    def add(self, other: Sum) -> None:
        """Another kind, or work."""
        for one in fields(self):
            mine, its = getattr(self, one.name), getattr(other, one.name)
            setattr(self, one.name, max(mine, its) if one.name == "most" else mine + its)

    def row(self, name: str) -> str:
        """As a line of the table."""
        cells = [self.works, self.cells, self.approvals, self.most, f"{self.cost:.3f}"]
        cells += [f"{self.restored} of {self.changed}", self.lost, self.unapproved]
        return f"| {name} | {' | '.join(map(str, cells))} |"


def work(case: Case, kernel: Kernel, model: scripted.Model, folder: Path) -> Sum:
    """One work of the table, then its undoing."""
    kernel.run(scripted.FRESH, cell_id="before")
    (folder / "w.txt").unlink(missing_ok=True)
    kernel.value("_effects.clear()")
    model.left = []
    kernel.run("%claude --once warm", cell_id="warm")
    kernel.run(case.before)
    model.server.requests.clear()
    model.left = replies(case)
    before = kernel.value(VARIABLES)
    book = scripted.Book(kernel, case)
    book.play()
    ours = [folder.parent / "data", Path.home(), "/dev/null"]
    effects = audit.without_approval(kernel, book.approved, ours, model.server.port)
    billed = [(r.usage, r.body["model"]) for r in model.server.requests if r.body and r.usage.total]
    changed = kernel.value(VARIABLES) != before
    kernel.run("claude.undo();", cell_id="undo")
    restored = changed and kernel.value(VARIABLES) == before
    if changed and not restored:
        left = {*kernel.value(VARIABLES).items()} ^ {*before.items()}
        print(f"not as before after undo: {case.name}: {sorted({n for n, _ in left})}", flush=True)
    book.close()
    lost, asked = set(titles(case)) - {*book.shown}, book.approvals
    cost = sum((dollars(usage, name) for usage, name in billed), Decimal(0))
    return Sum(1, len(book.shown), asked, asked, cost, int(changed), int(restored), len(lost), len(effects))


def ours() -> None:
    """The table of our own works."""
    sums: dict[str, Sum] = {}
    with tempfile.TemporaryDirectory() as name:
        model, folder = scripted.Model(), Path(name) / "notebooks"
        folder.mkdir()
        env = environment(model.server.url, CLAUDE_JUPYTER_DATA_DIR=str(Path(name) / "data"))
        with model.server, running_kernel(folder, env, scripted.SETUP) as kernel:
            kind = Sum()
            for case in WORKS:
                if case.name in KINDS:
                    kind = sums.setdefault(KINDS[case.name], Sum())
                kind.add(work(case, kernel, model, folder))
    total = sums["all"] = Sum()
    for kind in [*sums.values()][:-1]:
        total.add(kind)
    print(
        "| | works | cells | approvals | most in one | cost, $ | variables as before after undo | lost cells | effects without"
        f" approval |\n|---|{'--:|' * 8}"
    )
    print(*(one.row(name) for name, one in sums.items()), sep="\n")


def beside(only: list[str], *, install: bool) -> None:
    """The table beside the alternatives."""
    columns: dict[str, dict[str, str]] = {}
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        for alternative, how, opened in BESIDE:
            if not {"beside", alternative.name, how} & {*only}:
                continue
            place = home(alternative, install=install)
            name = f"{alternative.name} {place.versions.get(alternative.name, '')} {how}".strip()
            if place.missing:
                print(f"{name}: {place.missing}")
                continue
            with (
                tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
                opened(browser, Path(folder), place.python) as agent,
            ):
                columns[name] = played(agent, Path(folder))
                print(name, columns[name], flush=True)
    names = list(columns)
    print(f"| | {' | '.join(names)} |\n|---|{'--:|' * len(names)}")
    for row in next(iter(columns.values())):
        print(f"| {row} | {' | '.join(columns[name][row] for name in names)} |")


def main(words: list[str]) -> None:
    """Print what is asked for."""
    only = words[words.index("--only") + 1].split(",") if "--only" in words else ["ours", "beside"]
    if "ours" in only:
        ours()
    if only != ["ours"]:
        beside(only, install="--install" in words)


if __name__ == "__main__":
    main(sys.argv[1:])
