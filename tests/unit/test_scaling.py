"""What it costs grows with what there is no faster than in a straight line: answers, turns, saved answers.

Each cost is counted at several sizes and fitted (`support/scaling.py` says how, and why the limits are what they are); the last
test prints the table. `SCALING=full` takes sizes eight times as large.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.scaling import FLAT, TIMES, Curves, Work, calls, steps, upto
from support.world import Stage, stage

from claude_jupyter.answer.codec import read_output
from claude_jupyter.answer.model import Add, Answer, Part, Put
from claude_jupyter.client.stream import Accumulator
from claude_jupyter.content.prompt.interpolate import fill
from claude_jupyter.content.secrets.key_shapes import keys
from claude_jupyter.content.text.printed_text import clean, fold
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.conversation.store.restore import restored
from claude_jupyter.conversation.store.storage import load, save
from claude_jupyter.costs import prices
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.demo.script import Script
from claude_jupyter.display.bundle import bundle
from claude_jupyter.display.inert import inert
from claude_jupyter.display.transcript import transcript
from claude_jupyter.display.widget import WidgetView

MODEL = "claude-sonnet-5-5"
USAGE = Usage(input=1_200, output=800, cache_read=9_000)
PROSE = "A *quick* brown fox, `code` and [a link](https://example.org/a) of $x_1$, the lazy dog < 3.\n\n"
CURVES = Curves()
judge, by_clock = CURVES.judge, CURVES.by_clock


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
    by_clock("reading it again", sizes, lambda n: lambda: lambda: read_output(saved[n]))


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
    # What takes a few milliseconds only is measured where memory costs the same at both sizes; lines cost far more by themselves.
    least = 20_000 if "\n" in unit else 320_000
    sizes = (least * TIMES, 8 * least * TIMES)
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
    s.claude._chat.turns = tuple(made)
    s.claude._chat._newest_number = turns


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Stage]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        made: dict[int, Stage] = {}
        for size in upto(800, 3, 4):
            s = stack.enter_context(stage(Script(text="x" * 700)))
            s.env.journal = Journal(tmp_path_factory.mktemp("journal"), "k", "a.ipynb", lambda: "on", print)
            talked(s, size)
            s.claude.ask("Warm?")
            made[size] = s
        yield made


def test_one_more_question_after_many_turns(conversations: dict[int, Stage]) -> None:
    sizes = tuple(conversations)

    def asked(n: int) -> float:
        s = conversations[n]
        s.run("new", f"e{len(s.bodies)}")
        return calls(lambda: s.claude._asker.prepared("Next?", (), _plain()))

    judge("preparing a question after n turns", "calls", sizes, asked)

    def request(n: int) -> float:
        s = conversations[n]
        s.claude.ask("Why?", once=False)
        return len(json.dumps(s.bodies[-1]))

    judge("its request", "bytes", sizes, request)

    def journalled(n: int) -> float:
        folder = conversations[n].env.journal.folder
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
        lambda n: calls(lambda: list(journals[n].answered_before())),
    )


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cost of this file, as it was fitted in this run."""
    with capsys.disabled():
        print(f"\n\n{CURVES.table()}\n")
