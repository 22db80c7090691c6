"""What cells printed and showed, as a person would read it and as Claude is told it."""

from __future__ import annotations

import base64
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from claude_jupyter.content.cells import recent
from claude_jupyter.content.cells.cell_records import Cell, CellOutput, outputs_in, weight
from claude_jupyter.content.cells.recorder import HEAD, TAIL, _Printed
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import printed_tables as printed
from claude_jupyter.content.text import printed_text
from claude_jupyter.errors import UsageError

RULES = Rules()


def picture(width: int = 40) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 30), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def text_of(cell: Cell, rules: Rules = RULES) -> str:
    return recent.last_cells([cell], rules)[0].blocks[0]["text"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("plain\n", "plain\n"),
        ("\x1b[1;31mred\x1b[0m and \x1b]8;;http://x\x07link\x1b]8;;\x07\n", "red and link\n"),
        ("  0%|   | 0/3\r 33%|#  | 1/3\r100%|###| 3/3\n", "100%|###| 3/3\n"),
        ("100%|###| 3/3\r\x1b[K\rdone\n", "done\n"),
        ("a long line\rshort\n", "short\n"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("abx\b\bcd\n", "acd\n"),
        ("Loading\r", "Loading"),
        ("/tmp/ipykernel_31/334.py:1: UserWarning: careful\n", "cell:1: UserWarning: careful\n"),
        ('File "C:\\T\\ipykernel_31\\334.py", line 2\n', 'File "cell", line 2\n'),
    ],
)
def test_a_terminal_s_ways_are_read_as_it_shows_them(text: str, read: str) -> None:
    assert printed_text.clean(text) == read


def test_addresses_in_reprs_are_left_out_and_others_stay() -> None:
    shown = (
        "[<matplotlib.lines.Line2D at 0x7f7912f7b890>] <bound method F.g of <F object at 0x7F79AB12CD00>>\n"
    )
    assert printed_text.clean(shown) == "[<matplotlib.lines.Line2D>] <bound method F.g of <F object>>\n"
    told = "segfault at 0x7f7912f7b890\n"
    assert printed_text.clean(told) == told


def test_many_similar_lines_are_folded_and_counted() -> None:
    lines = "start\n" + "".join(f"Epoch {i}: loss {1 / (i + 1):.3f}\n" for i in range(320)) + "end\n"
    folded = printed_text.clean(lines)
    assert "… 312 similar lines" in folded
    assert "Epoch 0:" in folded and "Epoch 319:" in folded and "Epoch 100:" not in folded
    assert folded.startswith("start\n") and folded.endswith("end\n")
    few = "".join(f"line {i}\n" for i in range(12))
    assert printed_text.clean(few) == few


def test_base64_is_not_text_but_long_words_are() -> None:
    run = base64.b64encode(bytes(range(256)) * 9).decode()
    assert printed_text.clean(f"img = {run}\n") == f"img = [base64 left out: {len(run):,} characters]\n"
    assert printed_text.clean(f"data:image/png;base64,{run}").startswith("[base64 left out")
    for word in ("=" * 500, "a" * 500, "0123456789abcdef" * 40):
        assert printed_text.clean(word) == word


@given(st.text(alphabet="ab1 \n\r\b\x1b[m;0K|%", max_size=300))
def test_cleaning_never_fails_and_leaves_no_control_characters(text: str) -> None:
    cleaned = printed_text.clean(text)
    assert "\r" not in cleaned and "\b" not in cleaned


def test_the_beginning_and_end_of_a_flood_are_kept() -> None:
    printed = _Printed()
    for i in range(100_000):
        printed.add(f"line {i}\n")
    text = printed.text()
    assert text.startswith("line 0\n") and text.endswith("line 99999\n")
    assert len(text) < HEAD + TAIL + 100
    assert "characters left out" in text
    whole = _Printed()
    whole.add("x" * 10_000_000)
    assert len(whole.text()) < HEAD + TAIL + 100
    small = _Printed()
    small.add("a" * (HEAD - 1))
    small.add("bc")
    assert small.text() == "a" * (HEAD - 1) + "bc"


def test_a_bundle_shows_its_picture_else_its_text_and_nothing_of_widgets_and_answers() -> None:
    assert outputs_in({"text/plain": "<Figure>", "image/png": "x"}) == (CellOutput("image/png", "x"),)
    assert outputs_in({"text/plain": "1", "text/html": "<table>"}, value=True) == (
        CellOutput("text/plain", "1", None, True, True),
    )
    assert outputs_in({"text/plain": "Slider()", "application/vnd.jupyter.widget-view+json": {}}) == ()
    assert outputs_in({"text/markdown": "x", "application/vnd.claude-jupyter.answer+json": {}}) == ()
    assert outputs_in({"text/plain": "x" * 10**6})[0].data.count("x") == 64_000
    styled = {
        "text/plain": "<pandas.io.formats.style.Styler at 0x7f01>",
        "text/html": "<table><tr><td>a</td><td>7</td></tr></table>",
    }
    assert text_of(Cell("s", displayed=outputs_in(styled))).count("a | 7") == 1
    assert "[table withheld" in text_of(Cell("s", displayed=outputs_in(styled)), Rules(rows="none"))
    formula = {"text/plain": "<IPython.core.display.Latex object>", "text/latex": "$x^2$"}
    assert outputs_in(formula)[0].data == "$x^2$"
    assert outputs_in({"application/vnd.plotly.v1+json": {"data": []}})[0].is_image


def test_what_is_kept_is_weighed() -> None:
    assert weight("x" * 1000) == pytest.approx(1000, abs=100)
    assert weight({"data": [{"x": list(range(10_000))}]}) == pytest.approx(300_000, rel=0.1)
    assert weight([[["deep"] * 10] * 10] * 10) > 5000


def test_a_cell_is_told_with_its_parts_in_order() -> None:
    cell = Cell(
        "plot(x)", "id", 7, "hello\n",
        (CellOutput("text/plain", "shown text"), CellOutput("image/png", picture()), CellOutput("text/plain", "42", value=True)),
        "Traceback …\nValueError: bad\n", "ValueError",
    )  # fmt: skip
    told, image = recent.last_cells([cell], RULES)
    text = told.blocks[0]["text"]
    parts = [
        "plot(x)",
        "printed:\nhello",
        "shown:\nshown text",
        "value:\n42",
        "picture:\nIn[7] picture",
        "ValueError: bad",
    ]
    assert [text.index(p) for p in parts] == sorted(text.index(p) for p in parts)
    assert (told.kind, told.label, told.sent) == (
        "cell",
        "In[7]",
        "1 line of code, output, 1 picture, ValueError",
    )
    assert (image.kind, image.label, image.size) == ("image", "In[7] picture", (40, 30))


def test_a_picture_pointed_at_twice_is_known_to_be_the_same() -> None:
    cell = Cell(
        "x", None, 7, displayed=(CellOutput("image/png", picture(40)), CellOutput("image/png", picture(50)))
    )
    by_last = recent.last_cells([cell], RULES)[1:]
    by_plots = recent.plots([(cell, shown) for shown in cell.images], 2, RULES)
    assert by_last == by_plots
    assert [a.label for a in by_plots] == ["In[7] picture 1", "In[7] picture 2"]


def test_a_damaged_picture_does_not_hide_its_cell() -> None:
    cell = Cell(
        "x",
        None,
        7,
        "hello",
        (CellOutput("image/png", "bm90IGEgcGljdHVyZQ=="), CellOutput("image/png", picture())),
    )
    told, image = recent.last_cells([cell], RULES)
    assert any("not an image" in note for note in told.notes)
    assert image.kind == "image"


def test_of_very_many_pictures_the_newest_are_shown_and_the_cell_says_so() -> None:
    cell = Cell("x", None, 7, displayed=tuple(CellOutput("image/png", picture(10 + i)) for i in range(14)))
    told, *pictures = recent.last_cells([cell], RULES)
    assert [a.size for a in pictures] == [(14 + i, 30) for i in range(10)]
    assert "10 of its 14 pictures are shown" in told.notes


def test_images_before_are_counted_from_picture_to_picture() -> None:
    wide = picture(2400)
    cell = Cell("x", None, 7, displayed=(CellOutput("image/png", wide), CellOutput("image/png", wide)))
    sizes = [a.size for a in recent.plots([(cell, s) for s in cell.images], 2, Rules(images_before=19))]
    assert sizes == [(2400, 30), (2000, 25)]


def test_rows_govern_tables_and_none_withholds_all_output() -> None:
    table = "    a\n" + "\n".join(f"{i}  CANARY{i}" for i in range(9)) + "\n\n[9 rows x 1 columns]"
    cell = Cell("df", None, 7, table, (CellOutput("text/plain", table, None, True, True),), "E: CANARY", "E")
    three = text_of(cell, Rules(rows="3"))
    assert "CANARY2" in three and "CANARY3" not in three
    assert "CANARY8" in text_of(cell, Rules(rows="all"))
    none = recent.last_cells([cell], Rules(rows="none"))[0]
    assert "CANARY" not in str(none.blocks)
    assert none.blocks[0]["text"].count("[table withheld: --rows none]") == 2
    assert "E: [message withheld: --rows none]" in none.blocks[0]["text"]
    assert not none.rows
    assert recent.last_cells([cell], RULES)[0].rows
    assert "[output withheld: --rows none]" in text_of(Cell("print(x)", text="CANARY"), Rules(rows="none"))


def test_polars_tables_keep_their_heading() -> None:
    table = "shape: (4, 1)\n┌─────┐\n│ a   │\n│ --- │\n│ i64 │\n╞═════╡\n│ 1   │\n│ 2   │\n│ 3   │\n│ 4   │\n└─────┘"
    cut = printed.limited(table, 2)
    assert "│ i64 │\n╞═════╡\n│ 1   │\n│ 2   │\n[… 2 more lines left out: --rows 2 …]" in cut


def test_a_frame_printed_among_other_lines_is_held_to_the_rows_and_withheld_under_none() -> None:
    text = (
        "before\n"
        + pd.DataFrame({"who": [f"CANARY{i}" for i in range(30)], "n": range(30)}).to_string()
        + "\nafter\n"
    )
    cell = Cell("print(…)", None, 7, text)
    two = text_of(cell, Rules(rows="2"))
    assert "CANARY1" in two and "CANARY2" not in two
    assert "before" in two and "[… 28 more lines left out: --rows 2 …]\nafter" in two
    assert "CANARY9" in text_of(cell, RULES) and "CANARY10" not in text_of(cell, RULES)
    assert all(f"CANARY{i}" in text_of(cell, Rules(rows="all")) for i in range(30))
    assert "[table withheld: --rows none]" in text_of(cell, Rules(rows="none"))
    assert recent.last_cells([cell], RULES)[0].rows, "a later --rows none is refused in this chat"


def test_secrets_are_replaced_wherever_a_cell_shows_them() -> None:
    def redact(text: str) -> tuple[str, tuple[str, ...]]:
        return text.replace("hunter2hunter2", "[redacted PASSWORD]"), ("PASSWORD",) * text.count(
            "hunter2hunter2"
        )

    secret = "hunter2hunter2"
    cell = Cell(
        f"p = '{secret}'",
        None,
        1,
        f"{secret}\n" + "x\n" * 50_000 + secret,
        (CellOutput("text/plain", secret),),
        secret,
        "E",
    )
    told = recent.last_cells([cell], Rules(redact=redact))[0]
    assert secret not in str(told.blocks)
    assert any("PASSWORD" in note for note in told.notes)


def test_long_parts_are_cut_and_the_cut_is_told() -> None:
    cell = Cell("x = 1\n" * 20_000, None, 1, "\n".join(f"line {i} " + "ab" * (i % 50) for i in range(20_000)))
    told = recent.last_cells([cell], RULES)[0]
    assert told.tokens < 15_000
    assert "left out" in told.blocks[0]["text"]
    assert told.notes


def test_the_last_error_is_told_by_what_was_recorded_when_the_exception_is_gone() -> None:
    failed = Cell(
        "1 / 0",
        None,
        3,
        error="Traceback\nZeroDivisionError: division by zero",
        error_name="ZeroDivisionError",
    )
    (told,) = recent.last_error(None, failed, RULES)
    assert told.kind == "error"
    assert "1 / 0" in told.blocks[0]["text"] and "division by zero" in told.blocks[0]["text"]
    with pytest.raises(UsageError, match="no error"):
        recent.last_error(None, None, RULES)


def test_nothing_to_point_at_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="name the figure"):
        recent.plots([], 1, RULES)
    with pytest.raises(UsageError, match="load_ext"):
        recent.last_cells([], RULES)
