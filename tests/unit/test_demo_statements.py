"""What the demo model says is true of what was sent: extremes, gaps, groups, trends; and its corrected cells run."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from claude_jupyter.answer.markdown_code import codes
from claude_jupyter.content.cells import tracebacks
from claude_jupyter.content.dispatch import attach
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.changing import prompt_for
from claude_jupyter.demo.replies import WHO, DemoReplies
from claude_jupyter.demo.script import Say
from claude_jupyter.demo.statements import printed


def blocks(value: Any, label: str = "it", **rules: Any) -> list[Any]:
    return [b for attachment in attach(value, label, Rules(**rules)) for b in attachment.blocks]


def reply(*content: Any, prompt: str = "What is in it?") -> str:
    body = {
        "model": "claude-sonnet-5-5",
        "messages": [{"role": "user", "content": [*content, {"type": "text", "text": prompt}]}],
    }
    return "".join(p.text for p in DemoReplies()(body).in_order() if isinstance(p, Say))


def last_code(text: str) -> str:
    return re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)[-1]


def sales() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=40).delete([20, 21])
    frame = pd.DataFrame(
        {
            "day": days,
            "region": ["north", "south", "north", "east"] * 9 + ["north"] * 2,
            "units": [*range(10, 47), 900],
            "price": [1.5, -999.0] * 2 + [float(p) for p in range(3, 37)],
            "paid on": ["2024-02-01"] * 19 + ["2024-02-02"] * 19,
            "note": [None] * 5 + ["ok"] * 33,
        }
    )
    return frame


def test_a_frame_is_told_by_what_stands_out() -> None:
    text = reply(*blocks(sales(), "sales"), prompt="Which of these columns would you not trust?")
    assert "`sales` has 38 rows × 6 columns, daily from 2024-01-01 to 2024-02-09, with 1 gap." in text
    assert "`units` reaches 900, far above its upper quartile" in text
    assert "`price` ends at -999: this number often stands for a missing value." in text
    assert "`paid on` stores dates as text (`2024-02-01`)" in text
    assert "`note`: 5 of 38 values are missing (13%)." in text
    assert text.endswith(WHO) and text.count("offline demo") == 1
    space = {"sales": sales()}
    *lines, last = last_code(text).splitlines()
    exec("\n".join(lines), space)
    assert eval(last, space)["units"].tolist() == [900]


def test_to_check_it_is_not_to_doubt_the_data() -> None:
    text = reply(*blocks(sales(), "sales"), prompt="What is in it? Then a few lines of pandas to check it.")
    assert "missing values" not in last_code(text) and "groupby" in last_code(text)
    text = reply(*blocks(sales(), "sales"), prompt="Check the data, please.")
    assert "missing values" in last_code(text)


def test_the_question_decides_what_comes_first() -> None:
    first = reply(*blocks(sales(), "sales"), prompt="How is region distributed?").split("\n- ")[1]
    assert first.startswith("`north` is the largest of 3 groups in `region` (20 rows, 53%).")


def test_of_a_small_table_the_rows_are_named() -> None:
    table = pd.DataFrame(
        {"mm": [3.0, 0.5, 9.0], "wind": [1.0, 2.0, 4.0]}, index=pd.Index(["fog", "sun", "snow"], name="sky")
    )
    text = reply(*blocks(table, "by_sky"))
    assert "`mm` is highest for `snow` (9) and lowest for `sun` (0.5)." in text
    assert "`mm` and `wind` rise together" in text


def test_nothing_is_said_of_values_that_were_withheld() -> None:
    text = reply(*blocks(sales(), "sales", rows=0), prompt="Which of these columns would you not trust?")
    assert "withheld" in text
    assert "900" not in text and "999" not in text and "north" not in text


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)), min_size=4, max_size=60))
def test_ranges_of_any_numbers_are_those_of_pandas(values: list[float]) -> None:
    text = reply(*blocks(pd.DataFrame({"v": values, "k": range(len(values))}), "df"), prompt="What is v?")
    found = re.search(r"`v` runs from (\S+) to (\S+?)[,;.](?: |$)", text)
    if found is None:
        assert "`v` has the same value in every row" in text
        return
    assert (float(found[1]), float(found[2])) == (min(values) + 0.0, max(values) + 0.0)


def drawn() -> Figure:
    figure = Figure()
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot([1, 2, 3, 4, 5], [1, 4, 9, 16, 25], label="squares")
    top.set_title("Growth")
    bottom.bar([1, 2, 3, 4, 5], [5.0, 4.5, 3.25, 2.0, 1.0])
    bottom.set_ylabel("left, m")
    bottom.set_xlabel("step")
    return figure


def test_a_figure_is_told_by_its_axes_and_series() -> None:
    text = reply(*blocks(drawn(), "fig"))
    assert "`fig` is a matplotlib figure titled “Growth” with 2 panels." in text
    assert (
        "The line “squares” is highest at step 5 (25) and lowest at step 1 (1); it only rises, from 1 to 25."
        in text
    )
    assert "*left, m* is highest at step 1 (5) and lowest at step 5 (1)." in text
    assert f"(correlation {np.corrcoef([1, 4, 9, 16, 25], [5, 4.5, 3.25, 2, 1])[0, 1]:.2f})" in text


def test_a_histogram_is_told_with_its_skew() -> None:
    figure = Figure()
    figure.subplots().hist(np.random.default_rng(1).exponential(size=4000), bins=30)
    text = reply(*blocks(figure, "fig"))
    assert "counts 4,000 values" in text and "skewed to the right" in text


def test_what_was_sent_earlier_is_still_known() -> None:
    first = [*blocks(sales(), "sales"), *blocks(drawn(), "fig"), {"type": "text", "text": "Look."}]
    messages = [{"role": "user", "content": first}, {"role": "assistant", "content": "Seen."}]

    def then(prompt: str) -> str:
        body = {"model": "claude-sonnet-5-5", "messages": [*messages, {"role": "user", "content": prompt}]}
        return "".join(p.text for p in DemoReplies()(body).in_order() if isinstance(p, Say))

    assert "From `fig`, sent earlier in this chat:" in then("Where is the line in the plot highest?")
    assert "- `units` runs from 10 to 900" in then("And units?")
    assert "takes knowledge" in then("Who was Ada?")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('total = sales["unit"].sum()', 1_936),
        ("count = 3\ntotal = conut + 1", 4),
        ("total = np.arange(3).sum()", 3),
        ('total = sales["day"].astype(str).str[:4].astype(float).sum() + sales.unit.sum()', 78_848),
        ('total = pd.Series(["1", "x"]).rename("s")\ntotal = total.astype(float).sum()', 1),
    ],
)
def test_the_corrected_cell_runs(cell: str, value: float) -> None:
    space: dict[str, Any] = {"sales": sales(), "pd": pd}
    with pytest.raises(Exception) as caught:
        exec(compile(cell, "<cell>", "exec"), space)
    error = tracebacks.attach(caught.value, "the last error", Rules(), cell=cell)
    labels = blocks(sales(), "sales")
    text = reply(*labels, *error.blocks, prompt="Why?")
    assert "The corrected cell:" in text, text
    fixed: dict[str, Any] = {"sales": sales(), "pd": pd}
    exec(last_code(text), fixed)
    assert fixed["total"] == value


def test_a_printed_dataframe_is_read_as_a_table_however_wide_it_is() -> None:
    frame = pd.DataFrame(
        {
            "Pass Id": [1, 2, 3],
            "Name": ["Braund, Mr. Owen Harris", "Cumings, Mrs. John Bradley", "Heikkinen, Miss. Laina"],
            "Fare": [7.25, 71.2833, None],
            "Cabin": [None, "C85", None],
        }
    )
    for width in (40, 60, 200):
        with pd.option_context("display.width", width, "display.expand_frame_repr", True):
            shown = f"frame\n--- value:\n{frame}"
        said = printed.sentences("In[2]", shown, "What stands out?", printed=True)
        assert said == [
            "`In[2]` shows a table of 3 rows and 4 columns.",
            "- `Fare` is missing in 1 of 3 rows.\n- `Cabin` is missing in 2 of 3 rows.\n- `Fare` runs from 7.25 to 71.3.",
        ]
    teams = pd.DataFrame({"Team": ["Italy", "Czech Republic", "France"], "Red Cards": [1, 0, 0]})
    cut = f"teams\n--- value:\n{teams}\n[… 6 more lines left out: --rows 3 …]"
    assert printed.sentences("In[3]", cut, "Which team?", printed=True) == [
        "`In[3]` shows a table of 2 columns; 3 rows of it were sent.",
        "- `Red Cards` runs from 0 to 1 (Italy).",
    ]
    for text in (
        "  a line\nand one more",
        "   a  b\n0  1  2\nand words after it that go on",
        str(frame["Fare"]),
    ):
        assert "table" not in " ".join(printed.sentences("t", text, "")), text


def test_printed_lines_of_one_form_are_compared() -> None:
    years = ((2012, 52, 34.4), (2013, 58, 33.9), (2014, 59, 35.6))
    lines = "\n".join(f"{year}: {dry}% dry days, warmest {most} °C" for year, dry, most in years)
    cell = "for …\n--- printed:\n" + lines
    block = {"type": "text", "text": f'<attachment label="cell 3" kind="cell">\n{cell}\n</attachment>'}
    text = reply(block)
    assert "% dry days: highest in 2014 (59), lowest in 2012 (52)" in text
    assert "warmest (°C): highest in 2014 (35.6), lowest in 2013 (33.9)" in text


def test_a_picture_without_numbers_is_told_by_its_pixels() -> None:
    from PIL import Image

    text = reply(*blocks(Image.new("RGB", (60, 40), (20, 30, 80)), "sea"))
    assert "60 × 40 pixels" in text and "dark overall, mostly dark blue (100%)" in text


def test_texts_of_a_typed_answer_are_statements_too() -> None:
    schema = {"type": "object", "properties": {"value": {"type": "array", "items": {"type": "string"}}}}
    body = {
        "model": "claude-sonnet-5-5",
        "messages": [
            {"role": "user", "content": [*blocks(sales(), "sales"), {"type": "text", "text": "Findings?"}]}
        ],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }
    (piece,) = [p for p in DemoReplies()(body).in_order() if isinstance(p, Say)]
    first, second = json.loads(piece.text)["value"]
    assert "sales" not in first and "offline demo" not in first + second and first != second


def test_a_change_of_a_cell_is_noted_in_it_and_nothing_else_changes() -> None:
    for source, noted in (("x = 1\ny = 2", "{}\nx = 1\ny = 2"), ("%%time\nx = 1", "%%time\n{}\nx = 1")):
        said = reply(prompt=prompt_for("double x", source))
        note = "# The offline demo cannot write code. Claude would do this here: double x"
        assert codes(said) == (noted.format(note),)
