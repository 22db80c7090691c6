"""What it costs grows with what there is no faster than in a straight line: answers, turns, rows, pictures, ledgers, saved answers.

Each cost is counted at several sizes and fitted (`support/scaling.py` says how, and why the limits are what they are); the last
test prints the table. `SCALING=full` takes sizes eight times as large.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from PIL import Image
from support.scaling import FLAT, LINEAR, LINEAR_BY_CLOCK, Curves, Work, calls, milliseconds, steps
from support.world import Stage, stage

from claude_jupyter.client.stream import Accumulator
from claude_jupyter.content import attach
from claude_jupyter.content.key_shapes import keys
from claude_jupyter.content.outputs import clean, fold
from claude_jupyter.content.prompt import fill
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.journal import Journal
from claude_jupyter.conversation.restore import restored
from claude_jupyter.conversation.storage import load, save
from claude_jupyter.costs import prices, table
from claude_jupyter.costs.calls import Call, Outcome, Reserve
from claude_jupyter.costs.ledger import Ledger
from claude_jupyter.costs.report import report
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.demo.script import Script
from claude_jupyter.display.bundle import bundle, parse
from claude_jupyter.display.inert import inert
from claude_jupyter.display.transcript import transcript
from claude_jupyter.display.widget import WidgetView
from claude_jupyter.magics.complete import Known, offer
from claude_jupyter.replay import Recordings
from claude_jupyter.turns import Add, Answer, Part, Put

TIMES = 8 if os.environ.get("SCALING") == "full" else 1
MODEL = "claude-sonnet-5-5"
USAGE = Usage(input=1_200, output=800, cache_read=9_000)
PROSE = "A *quick* brown fox, `code` and [a link](https://example.org/a) of $x_1$, the lazy dog < 3.\n\n"
CURVES = Curves()
judge = CURVES.judge


def upto(largest: int, count: int = 3, factor: int = 8) -> tuple[int, ...]:
    """Sizes that end at `largest`, each so many times the one before."""
    return tuple(largest * TIMES // factor**n for n in reversed(range(count)))


def by_clock(what: str, sizes: tuple[int, ...], make: Callable[[int], Callable[[], Work]]) -> None:
    """The same by processor time, which also sees the copying of text."""
    judge(what, "ms", sizes, lambda n: milliseconds(make(n), 3), LINEAR_BY_CLOCK)


# -- the length of an answer --------------------------------------------------------------------------------------------


def prose(length: int) -> str:
    return (PROSE * (length // len(PROSE) + 1))[:length]


def answered(text: str, **more: Any) -> Answer:
    cost = prices.price(USAGE, MODEL)
    return Answer(
        "a",
        model=MODEL,
        blocks=({"type": "text", "text": text},),
        usage=USAGE,
        cost=cost,
        complete=True,
        **more,
    )


def deltas(count: int) -> list[Any]:
    from anthropic.types import RawMessageStreamEvent
    from pydantic import TypeAdapter

    take = TypeAdapter(RawMessageStreamEvent).validate_python
    block = {"type": "text", "text": ""}
    told = [{"type": "content_block_start", "index": 0, "content_block": block}]
    told += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "twelve chars"}}
    ] * count
    return [take(event) for event in told]


def test_taking_in_an_answer() -> None:
    def fed(events: list[Any]) -> Work:
        def work() -> None:
            gathered = Accumulator()
            for n, event in enumerate(events):
                gathered.feed(event)
                if n % 20 == 0:
                    gathered.drain()
            gathered.result()

        return work

    made = {n: deltas(n) for n in upto(16_000)}
    judge("taking in an answer of n deltas", "calls", tuple(made), lambda n: calls(fed(made[n])))
    by_clock("taking in an answer of n deltas", tuple(made), lambda n: lambda: fed(made[n]))


def test_citations_of_an_answer() -> None:
    from anthropic.types import RawContentBlockDeltaEvent

    cited = {
        "type": "web_search_result_location",
        "url": "u",
        "title": "t",
        "encrypted_index": "i",
        "cited_text": "c",
    }
    delta = {"type": "citations_delta", "citation": cited}
    event = RawContentBlockDeltaEvent.model_validate(
        {"type": "content_block_delta", "index": 0, "delta": delta}
    )
    start = deltas(0)

    def fed(count: int) -> Work:
        def work() -> None:
            gathered = Accumulator()
            for one in (*start, *[event] * count):
                gathered.feed(one)

        return work

    by_clock("taking in n citations of one block", upto(32_000, 2), lambda n: lambda: fed(n))


class Page:
    """Counts what a page would be sent."""

    def __init__(self) -> None:
        self.bytes = self.messages = 0

    def send(self, content: Any, *_: Any) -> None:
        self.bytes += len(json.dumps(content, ensure_ascii=False).encode())
        self.messages += 1

    def publish(self, data: Any, metadata: Any, **_: Any) -> None:
        self.send([data, metadata])


def to_the_page(length: int) -> Page:
    page, view = Page(), WidgetView(display_id="d", publisher=Page())
    view._widget = page
    view._tex = True
    view.show([Put(0, {"type": "text", "text": ""})])
    text = prose(length)
    for at in range(0, length, 400):
        parts: list[Part] = [Add(0, text[k : k + 12]) for k in range(at, min(at + 400, length), 12)]
        view.show(parts)
    return page


def test_what_crosses_to_the_page() -> None:
    sizes = upto(400_000)
    judge("live messages of an answer of n characters", "bytes", sizes, lambda n: to_the_page(n).bytes)
    by_clock("live messages of an answer of n characters", sizes, lambda n: lambda: lambda: to_the_page(n))


def test_what_stays_in_the_notebook() -> None:
    sizes = upto(200_000)
    judge(
        "the durable output of n characters",
        "bytes",
        sizes,
        lambda n: len(json.dumps(bundle(answered(prose(n))))),
    )
    judge("making it", "calls", sizes, lambda n: calls(lambda: bundle(answered(prose(n)))))
    by_clock("making it", sizes, lambda n: lambda: lambda: bundle(answered(prose(n))))
    saved = {n: bundle(answered(prose(n)))[0] for n in sizes}
    by_clock("reading it again", sizes, lambda n: lambda: lambda: parse(saved[n]))


TRICKY = (
    "[", "![", "](", "![a](", "[a]: ", "`", "`` ` ", "~~~\n", "```\n", "<", "<a ", "<!--", "<b>x", "&", "&#", "$", "$$\n", "\\(", "> ",
    "- ", "* ", "_a ", "**", "\\", "|a|b|\n|-|-|\n", "\n", "  \n", "\t", "1. ", "<http:", "http://a ", "é", "\u2028",
)  # fmt: skip


@pytest.mark.parametrize("unit", TRICKY)
def test_text_that_is_hard_to_read_is_made_harmless_in_time(unit: str) -> None:
    sizes = (6_000 * TIMES, 48_000 * TIMES)
    by_clock(
        f"making harmless: n characters of {unit!r}",
        sizes,
        lambda n: lambda: lambda: inert(unit * (n // len(unit))),
    )


@pytest.mark.parametrize(
    "unit", ["\r", "\x1b[3", "\x1b]8;;", "a\rb", "a\b", "x\n", "|", "- ", "A" * 64 + "\n", "line 1\n"]
)
def test_what_cells_printed_is_read_in_time(unit: str) -> None:
    sizes = (20_000 * TIMES, 160_000 * TIMES)
    by_clock(
        f"reading printed text: n of {unit[:8]!r}",
        sizes,
        lambda n: lambda: lambda: fold(clean(unit * (n // len(unit)))),
    )


def test_looking_for_keys_and_filling_prompts() -> None:
    sizes = upto(400_000, 2)
    by_clock("looking for keys in n characters", sizes, lambda n: lambda: lambda: list(keys(prose(n))))
    filled = tuple(n // 40 for n in sizes)
    space = {"name": "Ada", "rows": [{"x": 1}]}
    prompt = "Dear {name}, {rows[0]['x']} and $x{y}$.\n"
    judge("filling n braces", "calls", filled, lambda n: calls(lambda: fill(prompt * (n // 2), space)))
    by_clock("filling n braces", filled, lambda n: lambda: lambda: fill(prompt * (n // 2), space))


# -- turns --------------------------------------------------------------------------------------------------------------


def talked(s: Stage, turns: int) -> None:
    """A conversation that was `turns` long already, without asking for each."""
    s.claude.ask("First?")
    (first,) = s.claude.turns
    made = (
        replace(first, answer=replace(first.answer, id=f"t{n}", turn=n), cell=f"cell-{n}", execution=f"e{n}")
        for n in range(1, turns + 1)
    )
    s.claude._turns = tuple(made)
    s.claude._asked = turns


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Stage]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        made: dict[int, Stage] = {}
        for size in upto(800, 3, 4):
            s = stack.enter_context(stage(Script(text="x" * 700)))
            s.world.journal = Journal(tmp_path_factory.mktemp("journal"), "k", "a.ipynb", lambda: "on", print)
            talked(s, size)
            s.claude.ask("Warm?")
            made[size] = s
        yield made


def test_one_more_question_after_many_turns(conversations: dict[int, Stage]) -> None:
    sizes = tuple(conversations)

    def asked(n: int) -> float:
        s = conversations[n]
        s.run("new", f"e{len(s.bodies)}")
        return calls(lambda: s.claude._prepared("Next?", (), _plain()))

    judge("preparing a question after n turns", "calls", sizes, asked)

    def request(n: int) -> float:
        s = conversations[n]
        s.claude.ask("Why?", once=False)
        return len(json.dumps(s.bodies[-1]))

    judge("its request", "bytes", sizes, request)

    def journalled(n: int) -> float:
        folder = conversations[n].world.journal.folder
        assert folder is not None
        before = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        conversations[n].claude.ask("And this?")
        return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) - before

    judge("what it adds to the journal", "bytes", sizes, journalled, FLAT)

    def kept(n: int) -> float:
        ledger = conversations[n].ledger
        ledger.spent()
        return steps(ledger._memory, lambda: conversations[n].claude.ask("And that?"))

    judge("its steps in the ledger", "steps", sizes, kept, FLAT)


def _plain() -> Any:
    from claude_jupyter.options import Options

    return Options()


def test_keeping_and_showing_many_turns(conversations: dict[int, Stage], tmp_path: Path) -> None:
    sizes = tuple(conversations)
    turns = {n: conversations[n].claude.turns for n in sizes}
    paths = {n: tmp_path / f"{n}.json" for n in sizes}
    judge(
        "saving n turns", "calls", sizes,
        lambda n: calls(lambda: save(paths[n], turns[n], name="main", model=None, system=None)),
    )  # fmt: skip
    judge("a saved conversation of n turns", "bytes", sizes, lambda n: paths[n].stat().st_size)
    judge("loading it", "calls", sizes, lambda n: calls(lambda: load(paths[n])))
    judge(
        "showing n turns",
        "calls",
        sizes,
        lambda n: calls(lambda: transcript("main", turns[n], USAGE, Cost())),
    )
    by_clock("showing n turns", sizes, lambda n: lambda: lambda: transcript("main", turns[n], USAGE, Cost()))


def test_dollars_of_a_long_conversation() -> None:
    from support.long_talk import dollars, talk

    sizes = (4, 8, 16, 32)
    judge(
        "dollars of n turns over 20,000 tokens, cached", "USD", sizes,
        lambda n: float(dollars(talk(n, 20_000, cache="5m"))),
    )  # fmt: skip


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
        s.claude._prepared("Warm.", tuple(pictures(1)), _plain())

        def asked(n: int) -> float:
            shown = pictures(n)
            return calls(lambda: s.claude._prepared("Compare.", tuple(shown), _plain()))

        judge("preparing a question with n pictures", "calls", sizes, asked)


def test_pictures_asked_about_before_are_not_looked_at_again() -> None:
    def asked(n: int) -> float:
        with stage("Seen.") as s:
            for picture in pictures(n):
                s.claude.ask("And this?", picture)
            return calls(lambda: s.claude._prepared("Which was best?", (), _plain()))

    judge("the next question after n pictures in n turns", "calls", (4, 16, 64), asked)


def test_completion_among_many_variables() -> None:
    sizes = upto(20_000, 2)
    spaces = {n: {f"variable_{k}": k for k in range(n)} for n in sizes}
    for marked in ("%%claude var", "%%claude\nWhat of {var"):
        known = {n: Known(spaces[n], {}, lambda: ("main",)) for n in sizes}
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
    ledger.finish(row, Outcome(USAGE, prices.price(USAGE, MODEL), complete=True, seconds=2.0))


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


# -- saved answers ------------------------------------------------------------------------------------------------------


def test_answers_saved_in_a_notebook_and_in_the_journal(
    conversations: dict[int, Stage], tmp_path: Path
) -> None:
    sizes = tuple(conversations)
    notebooks, journals = {}, {}
    for n in sizes:
        turns = conversations[n].claude.turns
        cells = [
            {"cell_type": "code", "id": t.cell, "source": "%%claude\nWhy?", "outputs": [
                {"output_type": "display_data", "data": bundle(t.answer)[0]}]}
            for t in turns
        ]  # fmt: skip
        notebooks[n] = tmp_path / f"{n}.ipynb"
        notebooks[n].write_text(
            json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        )
        journals[n] = Journal(tmp_path / f"journal-{n}", "k", "a.ipynb", lambda: "on", print)
        for turn in turns:
            journals[n].add("main", turn)
    judge(
        "restoring n answers from the notebook",
        "calls",
        sizes,
        lambda n: calls(lambda: restored(notebooks[n], "main", ())),
    )
    judge(
        "restoring n turns from the journal",
        "calls",
        sizes,
        lambda n: calls(lambda: restored(None, "main", journals[n].turns("main"))),
    )
    judge(
        "looking for questions asked before",
        "calls",
        sizes,
        lambda n: calls(lambda: list(journals[n].asked())),
    )


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
    def asked(n: int) -> Page:
        with stage("Good.") as s:
            s.claude.map([f"row {k}" for k in range(n)], "Judge {value}")
            page = Page()
            page.messages = len(s.bodies)
            page.bytes = sum(len(json.dumps(body)) for body in s.bodies)
            return page

    judge("a map over n rows", "requests", (8, 64), lambda n: asked(n).messages)
    judge("a map over n rows", "bytes", (8, 64), lambda n: asked(n).bytes)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cost of this file, as it was fitted in this run."""
    with capsys.disabled():
        print(f"\n\n{CURVES.table()}\n")
