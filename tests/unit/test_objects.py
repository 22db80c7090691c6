"""Functions, classes, modules, arrays and plain values are shown short: source or signature, shape and statistics, a capped repr."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content import attach
from claude_jupyter.content.guard import guarded, libraries, method
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import markup
from claude_jupyter.content.text.token_estimate import characters_of, tokens_of_text
from claude_jupyter.content.values.short import cell, line, number


def one(value: Any, **rules: Any) -> Attachment:
    (attachment,) = attach(value, "v", Rules(**rules))
    return attachment


def text(value: Any, **rules: Any) -> str:
    return one(value, **rules).blocks[0]["text"]


class Greeter:
    """Says hello."""

    def greet(self, name: str) -> str:
        """Greet one."""
        return f"hello {name}"


@functools.lru_cache
def cached(x: int) -> int:
    return x + 1


def test_functions_and_classes_are_their_source() -> None:
    assert "def characters_of(tokens: int) -> int:" in text(characters_of)
    assert "class Greeter:" in text(Greeter) and "return f" in text(Greeter)
    assert '"""Greet one."""' in text(Greeter().greet)
    assert "return x + 1" in text(cached)
    assert one(characters_of).sent.startswith("source, ")


def test_without_source_it_is_signature_and_docstring() -> None:
    assert "json.loads" not in text(len) and "len(obj, /)" in text(len) and "number of items" in text(len)
    made: dict[str, Any] = {}
    exec("def f(a, b=2):\n    'Adds.'\n    return a + b", made)
    assert "f(a, b=2)" in text(made["f"]) and '"""Adds."""' in text(made["f"])
    assert "bit_length" in text(int)


def test_a_module_is_its_name_docstring_and_public_names() -> None:
    said = text(json)
    assert "module json" in said and "JSON (JavaScript Object Notation)" in said
    assert "public names: JSONDecodeError, JSONDecoder" in said
    assert "module empty" in text(types.ModuleType("empty"))


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: float
    label: str
    hidden: str = dataclasses.field(default="h", repr=False)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "3"),
        (2.50, "2.5"),
        (1e-9, "1e-09"),
        (None, "None"),
        (True, "True"),
        (1j, "1j"),
        (decimal.Decimal("1.10"), "1.10"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.datetime(2024, 1, 2, 3, 4), "2024-01-02 03:04:00"),
        (pd.Timestamp("2024-01-02"), "2024-01-02"),
        (np.float64(2.5), "2.5"),
        (np.int8(7), "7"),
        (np.datetime64("2024-01-02"), "2024-01-02"),
        (Color.RED, "<Color.RED: 1>"),
        (re.compile("a+"), "re.compile('a+')"),
        (types.SimpleNamespace(a=1), "a=1"),
        (Point(1.5, "p"), "x=1.5"),
        (range(5), "range(0, 5)"),
        (float("nan"), "NaN"),
    ],
)
def test_single_values_are_written_short(value: Any, said: str) -> None:
    assert said in text(value)


def test_a_dataclass_shows_the_fields_its_repr_would() -> None:
    assert "label='p'" in text(Point(1.5, "p")) and "hidden" not in text(Point(1.5, "p"))


def test_frames_inside_objects_are_told_by_their_shape() -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    for value in (types.SimpleNamespace(f=frame), {"a": {"b": {"c": {"d": frame}}}}):
        assert "<pandas DataFrame 2 × 1>" in text(value)


def test_display_objects_say_what_they_show() -> None:
    from IPython.display import HTML, Latex, Markdown

    assert "**bold**" in text(Markdown("**bold**"))
    assert "$x^2$" in text(Latex("$x^2$"))
    said = text(HTML("<style>p {}</style><p>two &amp; <b>three</b></p><script>x</script>"))
    assert "two & three" in said and "script" not in said and "p {}" not in said


def test_a_table_that_an_object_shows_is_withheld_under_rows_none() -> None:
    from IPython.display import HTML, Markdown

    frame = pd.DataFrame({"who": ["anna"]})
    for value in (HTML(frame.to_html()), Markdown("| who |\n|:----|\n| anna |")):
        assert "anna" in text(value) and one(value).rows
        assert "anna" not in text(value, rows="none") and "table withheld" in text(value, rows="none")


def test_an_array_is_shape_dtype_and_statistics() -> None:
    said = text(np.arange(12, dtype="float32").reshape(3, 4))
    assert "numpy ndarray: shape 3 × 4, dtype float32" in said
    assert "min 0, max 11, mean 5.5" in said and "0, 1, 2, 3" in said
    assert "1 NaN, 1 infinite" in text(np.array([1.0, np.nan, np.inf]))
    assert "2 of 3 true" in text(np.array([True, True, False]))
    assert "no finite value" in text(np.array([np.nan]))
    assert "shape 0" in text(np.array([]))
    assert "value: 5" in text(np.array(5))
    assert "min 1, max 1" in text(np.ma.array([1, 2], mask=[0, 1])) and "1, masked" in text(
        np.ma.array([1, 2], mask=[0, 1])
    )
    assert "fields: a, b" in text(np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]))
    assert "'x'" in text(np.array(["x", "y"]))
    assert "shape 2 × 3 × 4 × 5" in text(np.zeros((2, 3, 4, 5)))


def test_a_large_array_is_looked_at_in_part_and_says_so() -> None:
    large = np.broadcast_to(np.float64(1.0), (10**9, 4))  # 32 GB if it were copied
    assert "from the first 500,000 of 1,000,000,000" in text(large)


def test_rows_none_withholds_an_arrays_values() -> None:
    shown = one(np.array([[73, 74]]), rows="none")
    assert "shape 1 × 2, dtype int64" in shown.blocks[0]["text"] and "73" not in shown.blocks[0]["text"]
    assert shown.sent == "1 × 2, no values" and not shown.rows


def test_an_xarray_dataset_is_its_dimensions_coordinates_and_variables() -> None:
    data = xarray.Dataset(
        {"t": (("time", "x"), np.arange(6.0).reshape(2, 3), {"units": "K"})},
        coords={"time": pd.date_range("2024", periods=2), "x": [10, 20, 30]},
        attrs={"title": "Weather"},
    )
    said = text(data)
    for piece in (
        "time: 2, x: 3",
        "t (time, x) float64",
        "min 0, max 5",
        "[K]",
        "title: 'Weather'",
        "2024-01-01",
    ):
        assert piece in said, piece
    assert "named v" in text(xarray.DataArray([1.0], name="v", dims="x"))


def test_lazy_xarray_is_not_computed() -> None:
    import dask.array as da

    def fail(block: Any) -> Any:
        raise AssertionError("computed")

    array = da.ones((10, 10), chunks=5).map_blocks(fail, dtype=float, meta=np.array(()))
    said = text(xarray.Dataset({"t": (("x", "y"), array)}))
    assert "not loaded" in said
    assert "shape 10 × 10" in text(array)


def test_html_is_read_as_words() -> None:
    assert (
        markup.words("<table><tr><th>a</th><td>1 &lt; 2</td></tr><tr><td>b</td></tr></table>")
        == "a | 1 < 2\nb"
    )
    assert markup.words("") == "" and markup.has_table("<TABLE>") and not markup.has_table("a --- b")


def test_tokens_are_estimated_by_length_and_script() -> None:
    assert tokens_of_text("x" * 35) == 10 and tokens_of_text("日本語") == 3 and tokens_of_text("") == 0


def test_a_guarded_call_gives_a_value_or_a_clause() -> None:
    assert guarded(lambda: 5).value == 5
    assert guarded(lambda: 1 / 0).failure == "raised ZeroDivisionError"
    assert libraries(np.float64(1)) >= {"numpy"}
    assert method(Greeter(), "greet") is not None and method(Greeter, "greet") is None
    assert cell("a|b\nc", 80, lambda words: words) == "a\\|b\\nc"
    assert [number(x) for x in (0.1, 48210.123456789, 1e300, 5.0)] == [
        "0.1",
        "48210.123456789",
        "1e+300",
        "5",
    ]
    assert line({"a": [1, (2,)], Path("x"): {3}}, 80) == "{'a': [1, (2,)], x: {3}}"
