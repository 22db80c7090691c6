"""The notebook's running total in its metadata: what the ledger says, written only when it has changed, never another's."""

from __future__ import annotations

import json
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.lab import Notebook

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
ASK = "%%claude\nWhat is odd?"
KNOWN = "n => document.querySelector('.cj-status-item')?.title.startsWith(`${n} requests`)"


def ledger(notebook: Notebook, path: Path) -> tuple[int, Decimal]:
    """Calls and dollars of a notebook, from the rows themselves."""
    file = notebook.server.root.parent / "claude_jupyter" / "ledger.db"
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT cost_usd FROM calls WHERE notebook LIKE ?", (f"%{path.name}",)).fetchall()
    return len(rows), sum((Decimal(cost) for (cost,) in rows), Decimal(0))


def ask(notebook: Notebook, cell: int, requests: int) -> None:
    """Run a cell and wait until the page knows of so many requests of this kernel."""
    notebook.run(cell)
    notebook.page.wait_for_function(KNOWN, arg=requests)


def total(saved: Any) -> dict[str, Any]:
    return dict(saved.metadata["claude_jupyter"])


def test_the_total_is_the_ledgers_and_written_when_it_changes(open_notebook, service):
    service("An answer of some words.")
    notebook = open_notebook([LOAD, ASK, ASK])
    assert "claude_jupyter" not in notebook.save().metadata, "it never asked"
    notebook.run(0)
    ask(notebook, 1, 1)
    first = total(notebook.save())
    calls, cost = ledger(notebook, notebook.path)
    assert set(first) == {"id", "calls", "tokens", "cost_usd"}
    assert first["calls"] == calls == 1 and Decimal(first["cost_usd"]) == cost > 0
    bytes_ = notebook.path.read_bytes()
    notebook.save()
    assert notebook.path.read_bytes() == bytes_, "nothing changed, so nothing is written"
    ask(notebook, 2, 2)
    second = total(notebook.save())
    calls, cost = ledger(notebook, notebook.path)
    assert second["id"] == first["id"] and second["calls"] == calls == 2
    assert Decimal(second["cost_usd"]) == cost
    undone = "() => { const panel = window.jupyterapp.shell.currentWidget; panel.content.model.sharedModel.undo(); }"
    notebook.page.evaluate(undone)
    assert total(notebook.save()) == second, "undo is for cells"
    assert notebook.watch.errors == []


def test_a_copy_has_its_own_total_and_a_renamed_notebook_keeps_its(open_notebook, service):
    service("An answer of some words.")
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    ask(notebook, 1, 1)
    original = total(notebook.save())

    copy = notebook.path.with_name(f"copy-of-{notebook.path.name}")
    shutil.copy(notebook.path, copy)
    copied = open_notebook(copy)
    assert total(copied.read()) == original
    copied.run(0)
    ask(copied, 1, 1)
    own = total(copied.save())
    assert own["id"].split(".")[0] != original["id"].split(".")[0]
    assert own["calls"] == 1 and Decimal(own["cost_usd"]) == ledger(copied, copy)[1]

    renamed = notebook.path.with_name(f"renamed-{notebook.path.name}")
    notebook.page.bring_to_front()
    notebook.page.evaluate(
        "name => window.jupyterapp.shell.currentWidget.context.rename(name)", arg=renamed.name
    )
    notebook.page.wait_for_function(f"() => {notebook.PANEL}.context.path === {json.dumps(renamed.name)}")
    notebook.path = renamed
    ask(notebook, 1, 2)
    after = total(notebook.save())
    assert after["id"].split(".")[0] == original["id"].split(".")[0] and after["calls"] == 2

    again = open_notebook(renamed)
    again.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    again.open()
    again.run(0)
    ask(again, 1, 1)
    last = total(again.save())
    assert last["id"] == after["id"] and last["calls"] == 3, "under its new name the ledger knows one request"


def test_whoever_does_not_want_it_has_none(open_notebook, service):
    service("An answer of some words.")
    notebook = open_notebook([LOAD + "\n%config ClaudeMagics.notebook_totals = False", ASK])
    notebook.run(0)
    ask(notebook, 1, 1)
    assert "claude_jupyter" not in notebook.save().metadata
