"""A team's ledger in a real kernel: what a user sees where the database is away, or the setting is no address."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support.asking import ask, assert_one_clear_line
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment

from claude_jupyter.demo import server as demo

SECRET = "hunter2-and-more"
AWAY = f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:1/costs"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Kernel]]:
    with ExitStack() as stack:
        model = stack.enter_context(demo.start())

        def begin(ledger: str) -> Kernel:
            env = environment(
                model.url, CLAUDE_JUPYTER_DATA_DIR=str(tmp_path / "data"), CLAUDE_JUPYTER_LEDGER=ledger
            )
            return stack.enter_context(running_kernel(tmp_path, env, LOAD))

        yield begin


def rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "data" / "ledger.db")) as db:
        return int(db.execute("SELECT count(*) FROM calls WHERE complete = 1").fetchone()[0])


def test_an_answer_comes_although_the_database_is_away_and_its_row_waits(
    start: Callable[[str], Kernel], tmp_path: Path
) -> None:
    kernel = start(AWAY)
    first, second = ask(kernel, "One?", cell_id="a"), ask(kernel, "Two?", cell_id="b")
    assert first.ok and second.ok and rows(tmp_path) == 2
    said = "".join(done.stderr + str(done.bundles) for done in (first, second))
    assert said.count("The team's ledger cannot be used") == 1 and "sent later" in said
    report = kernel.run("%claude_cost")
    assert_one_clear_line(report, "cannot be read", "2 requests are waiting")
    assert SECRET not in said + report.error + kernel.run("%config ClaudeMagics.budget").stdout


def test_a_setting_that_is_no_address_costs_no_answer(start: Callable[[str], Kernel], tmp_path: Path) -> None:
    kernel = start("")
    changed = kernel.run(f"%config ClaudeMagics.ledger = 'nosuch://ada:{SECRET}@host/costs'\nclaude.turns")
    done = ask(kernel, "One?")
    assert done.ok and rows(tmp_path) == 1
    said = changed.stderr + changed.stdout + done.stderr
    assert "postgresql+psycopg://" in said and SECRET not in said
