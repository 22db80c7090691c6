"""What it costs grows with what there is no faster than in a straight line: rows, pictures, variables, ledgers, recordings.

Each cost is counted at several sizes and fitted (`support/scaling.py` says how, and why the limits are what they are); the last
test prints the table. `SCALING=full` takes sizes eight times as large.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure
from PIL import Image
from support.scaling import FLAT, LINEAR, Curves, calls, steps, upto
from support.world import stage

from claude_jupyter.content import attach
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.figures.data.beside import figure_data
from claude_jupyter.content.figures.data.series import FigureData, text_of
from claude_jupyter.content.prompt.interpolate import fill
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.store.recording_files import Recordings
from claude_jupyter.costs import prices
from claude_jupyter.costs.ledger.calls import Call, CallOutcome, Reserve
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.reports import table
from claude_jupyter.costs.reports.report import report
from claude_jupyter.costs.usage import Usage
from claude_jupyter.kernel.inventory import inventory
from claude_jupyter.kernel.look.tool import Here
from claude_jupyter.kernel.namespace import variable
from claude_jupyter.magics.completion.complete import Scope, offer
from claude_jupyter.options import Options

MODEL = "claude-sonnet-5-5"
USAGE = Usage(input=1_200, output=800, cache_read=9_000)
CURVES = Curves()
judge, by_clock = CURVES.judge, CURVES.by_clock


# -- rows, pictures, variables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_of_a_dataframe(library: str) -> None:
    sizes = upto(640_000, 2)
    make: Any = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    frames = {
        n: make(
            {"n": range(n), "x": [k % 97 / 7 for k in range(n)], "s": [f"word {k % 1000}" for k in range(n)]}
        )
        for n in sizes
    }
    text = {n: attach(frames[n], "df", Rules())[0].blocks[0]["text"] for n in sizes}
    judge(f"what is sent of n rows ({library})", "characters", sizes, lambda n: len(text[n]), FLAT)
    judge(
        f"a profile of n rows ({library})",
        "calls",
        sizes,
        lambda n: calls(lambda: attach(frames[n], "df", Rules())),
        FLAT,
    )
    by_clock(
        f"a profile of n rows ({library})", sizes, lambda n: lambda: lambda: attach(frames[n], "df", Rules())
    )


def test_values_of_plain_python() -> None:
    sizes = upto(80_000, 2)
    values = {n: {f"key {k}": [k, str(k)] for k in range(n)} for n in sizes}
    judge(
        "what is sent of a dict of n",
        "characters",
        sizes,
        lambda n: len(str(attach(values[n], "d", Rules()))),
        FLAT,
    )
    judge("looking at a dict of n", "calls", sizes, lambda n: calls(lambda: attach(values[n], "d", Rules())))


def pictures(count: int) -> list[bytes]:
    made: list[bytes] = []
    for n in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (160, 120), (n % 256, n // 256, 7)).save(buffer, "PNG")
        made.append(buffer.getvalue())
    return made


def test_pictures_of_a_question() -> None:
    sizes = (4, 16, 64)
    with stage("Seen.") as s:
        s.claude._asker.prepared("Warm.", tuple(pictures(1)), Options())

        def asked(n: int) -> float:
            shown = pictures(n)
            return calls(lambda: s.claude._asker.prepared("Compare.", tuple(shown), Options()))

        judge("preparing a question with n pictures", "calls", sizes, asked)


def test_pictures_asked_about_before_are_not_looked_at_again() -> None:
    def asked(n: int) -> float:
        with stage("Seen.") as s:
            for picture in pictures(n):
                s.claude.ask("And this?", picture)
            return calls(lambda: s.claude._asker.prepared("Which was best?", (), Options()))

    judge("the next question after n pictures in n turns", "calls", (4, 16, 64), asked)


def test_completion_among_many_variables() -> None:
    sizes = upto(20_000, 2)
    spaces = {n: {f"variable_{k}": k for k in range(n)} for n in sizes}
    for marked in ("%%claude var", "%%claude\nWhat of {var"):
        known = {n: Scope(spaces[n], {}, lambda: ("main",)) for n in sizes}
        judge(
            f"Tab among n variables: {marked!r}", "calls", sizes,
            lambda n, marked=marked, known=known: calls(lambda: offer(marked, len(marked), known[n])),
        )  # fmt: skip
    judge(
        "hints about n variables",
        "calls",
        sizes,
        lambda n: calls(lambda: fill("What of variable_7?", spaces[n])),
        LINEAR,
    )


def test_looking_at_many_variables_and_at_figures_of_many_points() -> None:
    sizes = upto(5_120, 3, 4)  # more names would not be looked at within the two seconds on a busy machine

    def place(n: int) -> Here:
        return Here(
            namespace={f"name_{k}": [k] * (k % 50) for k in range(n)},
            rules=Rules(),
            cells=tuple(Cell(f"name_{k} = {k}", count=k) for k in range(200)),
        )

    places = {n: place(n) for n in sizes}
    judge(
        "the inventory of n variables",
        "characters",
        sizes,
        lambda n: len(str(inventory(places[n]).blocks)),
        FLAT,
    )
    judge("making it", "calls", sizes, lambda n: calls(lambda: inventory(places[n])))
    judge(
        "naming them",
        "calls",
        sizes,
        lambda n: calls(lambda: [variable(*v) for v in places[n].namespace.items()]),
    )
    figures = {n: Figure() for n in sizes}
    for n, drawn in figures.items():
        axes = drawn.subplots()
        for line in range(4):
            axes.plot(range(n), [k % 17 + line for k in range(n)], label=f"line {line}")
    judge(
        "the numbers of a figure of n points", "characters", sizes,
        lambda n: len(text_of(figure_data(figures[n]) or FigureData(""))), FLAT,
    )  # fmt: skip
    judge(
        "reading them",
        "calls",
        sizes,
        lambda n: calls(lambda: text_of(figure_data(figures[n]) or FigureData(""))),
    )


# -- the ledger ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Ledger]]:
    made: dict[int, Ledger] = {}
    folder = tmp_path_factory.mktemp("ledgers")
    for size in upto(4_096):
        ledger = made[size] = Ledger(folder / f"{size}.db", warn=print, kernel="k")
        for n in range(size):
            written(ledger, n)
    yield made
    for ledger in made.values():
        ledger.close()


def written(ledger: Ledger, n: int) -> None:
    call = Call(
        MODEL,
        user="ada",
        kernel=f"k{n // 500}",
        notebook=f"n{n // 500 % 9}.ipynb",
        cell=f"c{n % 40}",
        chat="main",
        turn=n,
    )
    row = ledger.start(call, lambda spent: Reserve())
    ledger.finish(row, CallOutcome(USAGE, prices.price(USAGE, MODEL), complete=True, seconds=2.0))


def test_a_ledger_of_many_rows(ledgers: dict[int, Ledger]) -> None:
    sizes = tuple(ledgers)

    def counted(work: Callable[[Ledger], object]) -> Callable[[int], float]:
        return lambda n: steps(ledgers[n]._disk, lambda: work(ledgers[n]))

    judge(
        "a question written to a ledger of n rows",
        "steps",
        sizes,
        counted(lambda ledger: written(ledger, 7)),
        FLAT,
    )
    judge(
        "the totals in the footer",
        "steps",
        sizes,
        counted(lambda ledger: ledger.spent(kernel="k0", notebook="n0.ipynb", user="ada")),
        FLAT,
    )
    for by in ("cell", "turn", "day", "model", "notebook"):
        judge(
            f"a report by {by}",
            "calls",
            sizes,
            lambda n, by=by: calls(lambda: table.to_text(report(ledgers[n], by=by))),
        )
    judge("the file, a row", "bytes", sizes, lambda n: disk_size(ledgers[n]))


def disk_size(ledger: Ledger) -> float:
    assert ledger.path is not None
    ledger._disk.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # type: ignore[union-attr]
    return ledger.path.stat().st_size


# -- recordings, maps --------------------------------------------------------------------------------------------------


def test_recordings_to_be_replayed(tmp_path: Path) -> None:
    sizes = upto(512, 2)
    for n in sizes:
        kept = Recordings(tmp_path / str(n))
        for k in range(n):
            kept.keep({"model": MODEL, "messages": [{"role": "user", "content": f"{k}?"}]}, {"content": []})
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "3?"}]}
    judge(
        "finding a recording among n", "calls", sizes,
        lambda n: calls(lambda: Recordings(tmp_path / str(n)).find(asked)), FLAT,
    )  # fmt: skip


def test_one_prompt_over_many_rows() -> None:
    def asked(n: int) -> list[str]:
        with stage("Good.") as s:
            s.claude.map([f"row {k}" for k in range(n)], "Judge {value}")
            return [json.dumps(body) for body in s.bodies]

    sent = {n: asked(n) for n in (8, 64)}
    judge("a map over n rows", "requests", tuple(sent), lambda n: len(sent[n]))
    judge("a map over n rows", "bytes", tuple(sent), lambda n: sum(map(len, sent[n])))


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cost of this file, as it was fitted in this run."""
    with capsys.disabled():
        print(f"\n\n{CURVES.table()}\n")
