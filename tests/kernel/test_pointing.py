"""`--cell REF[:K]`: exactly the cell or output that is pointed at is sent, whoever saw it run."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image, ImageChops
from support.asking import ask, assert_one_clear_line, sent_text
from support.kernel import Execution, Kernel, saved_outputs
from support.kernel_fixtures import LOAD
from support.raw_server import RawServer

DRAWN = """import io, sys
from IPython.display import Image, display
from PIL import Image as Picture
def draw(color, width):
    Picture.new("RGB", (width, 30), color).save(drawn := io.BytesIO(), "PNG")
    display(Image(drawn.getvalue()))"""
TWO = "print('before')\ndraw('red', 40)\nprint('between')\ndraw('navy', 50)\nprint('after', file=sys.stderr)\n6 * 7"


def page_shows(cell: str, done: Execution, source: str) -> dict[str, Any]:
    """The cell as the page holds it."""
    return {
        "id": cell,
        "count": done.reply["execution_count"],
        "source": source,
        "outputs": saved_outputs(done.messages),
    }


def hand_over(kernel: Kernel, *cells: dict[str, Any]) -> None:
    """As the extension does just before it runs a cell that points at these."""
    told = json.dumps(json.dumps({"cells": list(cells)}))
    module = "__import__('importlib').import_module('claude_jupyter.content.cells.page_cells')"
    content = {"code": f"{module}.receive({told})", "silent": True, "store_history": False}
    kernel.client.shell_channel.send(kernel.client.session.msg("execute_request", content))


def pictures(server: RawServer) -> list[Image.Image]:
    """The pictures of the newest user message that came to the server."""
    blocks = server.requests[-1].json["messages"][-1]["content"]
    found = [b["source"]["data"] for b in blocks if not isinstance(b, str) and b["type"] == "image"]
    return [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for data in found]


def assert_sent(server: RawServer, output: dict[str, Any]) -> None:
    """Of pictures this one alone was sent, pixel for pixel as it was shown."""
    (sent,) = pictures(server)
    data = base64.b64decode(output["data"]["image/png"])
    shown = Image.open(io.BytesIO(data)).convert("RGB")
    assert sent.size == shown.size
    assert ImageChops.difference(sent, shown).getbbox() is None


@pytest.fixture
def drawing(kernel: Kernel) -> Kernel:
    assert kernel.run(DRAWN).ok
    kernel.run("from claude_jupyter.content.cells import page_cells; page_cells.forget()")
    return kernel


def test_one_output_by_its_place_among_those_shown(drawing, server):
    done = drawing.run(TWO, cell_id="cell-two")
    shown = saved_outputs(done.messages)
    assert [o["output_type"] for o in shown] == [
        "stream", "display_data", "stream", "display_data", "stream", "execute_result",
    ]  # fmt: skip
    count = done.reply["execution_count"]
    for reference in ("cell-two", str(count), "cell-t"):
        for place, said in ((1, "before"), (3, "between"), (5, "after"), (6, "42")):
            assert ask(drawing, line=f"--cell {reference}:{place} --once").ok
            assert said in sent_text(server) and pictures(server) == []
            assert not {"before", "between", "after", "42"} - {said} & set(sent_text(server).split())
        for place in (2, 4):
            assert ask(drawing, line=f"--cell {reference}:{place} --once").ok
            assert_sent(server, shown[place - 1])
    done = drawing.run(f"claude.ask('Why?', cell='{count}:2', once=True)")
    assert done.ok, done.error
    assert_sent(server, shown[1])


def test_a_whole_cell_with_all_it_showed(drawing, server):
    drawing.run(TWO, cell_id="cell-two")
    drawing.run("draw('green', 99)", cell_id="another")
    done = ask(drawing, line="--cell cell-two --once")
    assert done.ok, done.error
    assert [p.size for p in pictures(server)] == [(40, 30), (50, 30)]
    for words in ("draw('navy', 50)", "before\nbetween\nafter", "value:\n42"):
        assert words in sent_text(server)


def test_a_cell_that_runs_again_shows_its_newest_outputs(drawing, server):
    drawing.run("draw('red', 40)", cell_id="again")
    newest = saved_outputs(drawing.run("draw('teal', 60)", cell_id="again").messages)
    assert ask(drawing, line="--cell again:1 --once").ok
    assert_sent(server, newest[0])


@pytest.mark.parametrize("case", ["before the extension was loaded", "in an earlier kernel"])
def test_what_the_recorder_did_not_see_comes_from_the_page(case, fresh_kernel, server):
    kernel = fresh_kernel(load=False)
    kernel.run(DRAWN)
    done = kernel.run(TWO, cell_id="cell-two")
    shown = page_shows("cell-two", done, TWO)
    if case == "in an earlier kernel":
        kernel = fresh_kernel(load=False)
    kernel.run(LOAD)
    assert_one_clear_line(ask(kernel, line="--cell cell-two:2"), "no cell", "cell-two")
    for place in (2, 4):
        hand_over(
            kernel,
            {**shown, "outputs": [o if i == place else None for i, o in enumerate(shown["outputs"], 1)]},
        )
        done = ask(kernel, line=f"--cell cell-two:{place} --once")
        assert done.ok, done.error
        assert_sent(server, shown["outputs"][place - 1])
    hand_over(kernel, shown)
    assert ask(kernel, line="--cell cell-two --once").ok
    assert len(pictures(server)) == 2 and "draw('navy', 50)" in sent_text(server)


def test_two_pages_each_send_what_they_show(drawing, server):
    first = drawing.run("draw('red', 41)", cell_id="here")
    second = drawing.run("draw('blue', 42)", cell_id="there")
    for cell, done in (("here", first), ("there", second)):
        hand_over(drawing, page_shows(cell, done, "draw(…)"))
        assert ask(drawing, line=f"--cell {cell}:1 --once").ok
        assert_sent(server, saved_outputs(done.messages)[0])


def test_a_page_that_is_behind_is_not_believed(drawing, server):
    old = page_shows("here", drawing.run("draw('red', 41)", cell_id="here"), "draw('red', 41)")
    newest = saved_outputs(drawing.run("draw('blue', 42)", cell_id="here").messages)
    for shown in (old, {**old, "count": None, "outputs": []}):
        hand_over(drawing, shown)
        assert ask(drawing, line="--cell here:1 --once").ok
        assert_sent(server, newest[0])


def test_what_the_page_updated_later_is_what_is_sent(drawing, server):
    done = drawing.run("handle = display('first', display_id=True)", cell_id="updated")
    shown = page_shows("updated", done, "…")
    shown["outputs"][0]["data"]["text/plain"] = "'what the page shows now'"
    hand_over(drawing, shown)
    assert ask(drawing, line="--cell updated:1 --once").ok
    assert "what the page shows now" in sent_text(server)


def test_a_table_is_under_the_rule_for_rows(drawing, server):
    source = "import pandas as pd\npd.DataFrame({'secret': range(1000, 1040)})"
    done = drawing.run(source, cell_id="table")
    assert ask(drawing, line="--cell table:1 --rows none --once").ok
    assert "[table withheld: --rows none]" in sent_text(server) and "1001" not in sent_text(server)
    hand_over(drawing, page_shows("table", done, source))
    assert ask(drawing, line="--cell table:1 --rows none --once").ok
    assert "1001" not in sent_text(server)
    assert ask(drawing, line="--cell table:1 --once").ok
    assert "secret" in sent_text(server) and "1000" in sent_text(server)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--cell nowhere", ["no cell", "nowhere"]),
        ("--cell 9999", ["no cell [9999]"]),
        ("--cell plain:2", ["1 output", "no output 2"]),
        ("--cell widget:1", ["neither an image nor text"]),
        ("--cell plain:0", ["--cell", "7:2"]),
        ("--cell a/b", ["--cell", "7:2"]),
        ("--cell", ["needs a value"]),
    ],
)
def test_what_cannot_be_pointed_at_is_said_in_one_line(line, words, drawing, server):
    drawing.run("1 + 1", cell_id="plain")
    drawing.run(
        "from IPython.display import display as show\n"
        "show({'application/vnd.jupyter.widget-view+json': {}, 'text/plain': 'Slider()'}, raw=True)",
        cell_id="widget",
    )
    assert_one_clear_line(ask(drawing, line=line), *words)
    assert server.requests == []


def test_a_cell_without_a_question_yet_sends_nothing_and_stops_nothing(drawing, server):
    drawing.run("1 + 1", cell_id="plain")
    for source in ("%%claude --cell plain\n", "%%claude --cell plain\n\n", "%claude --cell plain"):
        done = drawing.run(source)
        assert done.ok, done.error
        assert "This cell has no question yet" in done.stderr and len(done.stderr.splitlines()) == 1
    assert server.requests == []


def test_a_cell_may_load_the_extension_and_ask_in_one_go(fresh_kernel, server):
    kernel = fresh_kernel(load=False)
    kernel.run("1 + 1", cell_id="plain")
    done = kernel.run("%load_ext claude_jupyter\n%claude --once What is 1 + 1, roughly", cell_id="a")
    assert done.ok, done.error
    for source in ("%%claude --once\nAgain?", "# Claude\n\n%%claude --once\nAgain?", "%claude --once Again?"):
        done = kernel.run(f"%load_ext claude_jupyter\n{source}", cell_id="b")
        assert done.ok and done.stdout == "", done.error
        assert sent_text(server) == "Again?"


def test_the_name_claude_is_bound_where_it_is_free(fresh_kernel, server):
    kernel = fresh_kernel(load=False)
    done = kernel.run("%load_ext claude_jupyter\nclaude.ask('In the same cell?')", cell_id="a")
    assert done.ok, done.error
    done = kernel.run(
        "claude.undo()\nfrom claude_jupyter import claude as same\nprint(same is claude, len(claude.turns))"
    )
    assert done.ok and done.stdout == "True 0\n", done.error
    assert "claude" not in kernel.run("%who").stdout
    kernel.run("%unload_ext claude_jupyter")
    assert kernel.value("'claude' in globals()") is False


def test_a_name_of_the_user_s_is_left_alone_and_that_is_said(fresh_kernel):
    kernel = fresh_kernel(load=False)
    kernel.run("claude = 'Monet'")
    done = kernel.run("%load_ext claude_jupyter")
    assert done.ok and "one of your variables" in done.stderr and len(done.stderr.splitlines()) == 1
    assert kernel.value("claude") == "Monet"
    kernel.run("%unload_ext claude_jupyter")
    assert kernel.value("claude") == "Monet"


def test_fix_is_about_the_cell_it_points_at(drawing, server):
    drawing.run("older = 1\nolder / 0", cell_id="older")
    drawing.run("newer = []\nnewer[3]", cell_id="newer")
    assert drawing.run("%claude_fix --cell older --once").ok
    assert "older / 0" in sent_text(server) and "ZeroDivisionError" in sent_text(server)
    assert "newer" not in sent_text(server)
    for line in ("%claude_fix --once", "%claude_fix --cell newer --once"):
        assert drawing.run(line).ok
        assert "IndexError" in sent_text(server) and "newer = []" in sent_text(server)
    assert_one_clear_line(drawing.run("%claude_fix --cell nowhere"), "no cell")


def test_fix_of_an_error_that_was_there_before_the_extension(fresh_kernel, server):
    kernel = fresh_kernel(load=False)
    source = "seen = {'a': 1}\nseen['b']"
    shown = page_shows("failed", kernel.run(source, cell_id="failed"), source)
    hand_over(kernel, shown)
    done = kernel.run("%load_ext claude_jupyter\n%claude_fix --cell failed", cell_id="fix")
    assert done.ok, done.error
    assert "KeyError: 'b'" in sent_text(server) and "seen = {'a': 1}" in sent_text(server), (
        "with its variables"
    )
    assert "/tmp" not in sent_text(server)
