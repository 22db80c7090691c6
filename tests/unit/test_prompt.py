"""`{expr}` in a prompt: what is put in, what is attached, and all that stays exactly as typed."""

from __future__ import annotations

import datetime as dt
import enum
import re
import threading
import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from claude_jupyter.content.prompt.interpolate import Filled, fill
from claude_jupyter.content.recognize import is_textlike, sort_of

SPACE = {
    "name": "Ada",
    "x": 3.14159,
    "y": 7,
    "i": 0,
    "rows": [{"x": "first"}, {"x": "{y}"}],
    "table": {"a b": 1, "{x}": 2},
    "a": SimpleNamespace(b=SimpleNamespace(c="deep")),
    "day": dt.date(2026, 11, 22),
    "flag": True,
    "nothing": None,
}


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Hello {name}!", "Hello Ada!"),
        ("{a.b.c}", "deep"),
        ('{rows[0]["x"]} {rows[-2]["x"]} {rows[i]["x"]}', "first first first"),
        ("{table['a b']} {table[\"{x}\"]}", "1 2"),
        ("{x:.2f} {y:03d} {name:>5} {y:,}", "3.14 007   Ada 7"),
        ("{name!r} {name!s:>4}", "'Ada'  Ada"),
        ("{day} {day:%d.%m.%Y}", "2026-11-22 22.11.2026"),
        ("{flag} {nothing}", "True None"),
        ("{name[0]} {name[1:]}", "A da"),
        ("{rows[1]['x']}", "{y}"),
        ("`{name}` and f'{name}'", "`Ada` and f'Ada'"),
        ('{"n": {y}}', '{"n": 7}'),
        ("{name}, {x:.1f}", "Ada, 3.1"),
        ("naïve {name} 🎉", "naïve Ada 🎉"),
        ("$5 for {name}, $6 for {y}", "$5 for Ada, $6 for 7"),
        ("costs $ {y} $", "costs $ 7 $"),
        (r"\$ {y} \$", r"\$ 7 \$"),
        (r"\\({y}\\)", r"\\(7\\)"),
        ("`$HOME/{name}` and `$y`", "`$HOME/Ada` and `$y`"),
        ("$one paragraph\n\n{y}$", "$one paragraph\n\n7$"),
        ("```x``` {y}", "```x``` 7"),
        ("~~ {y} ~~", "~~ 7 ~~"),
    ],
)
def test_what_resolves_is_put_in(prompt, text):
    assert fill(prompt, SPACE).text == text


@pytest.mark.parametrize(
    "prompt",
    [
        # mathematics
        r"$\bar{x}$", "$x{y}$", "$a_{i}$", "$$\n{x}\n\n{y}$$", r"\({x}\)", r"\[ {x} \]", r"\frac{x}{y}", r"x^{i} a_{i}",
        r"\sqrt[3]{x}", r"\operatorname*{x}", r"$f({x})$", r"\begin{x} \{x\}", "{nope}{x}", "`$ {x} $x{y}$`"[10:17],
        "a $1{x}$, b", r"\text{name}", "$a$ $b{x}c$",
        # code
        "```\n{x}\n```", "```python\nprint(f'{x}')\n```", "~~~\n{x}\n```\n{x}\n~~~", "- item\n\n  ```py\n  {x}\n  ```",
        "- ```\n  {x}\n  ```", "> ```\n> {x}\n> ```", "1. ~~~~ js\n{x}\n~~~\n{x}\n~~~~", "```\nnever closed {x}",
        # JSON, dicts, JavaScript, templates
        '{"a": 1}', "{'x': {'y': 2}}", "{x: 5}", "{ x }", "{{ name }}", "{% if x %}", "{x, y}", "{x y}", "{}", "{ }", "{{}}",
        "{x + y}", "{x for x in y}", "{-x}", "{5}", "{'x'}", "{None}", "{True}", "{class}", "{...}", "{*x}", "{x=}", "{{{x}}}",
        "style={{x:1}}", 'style={{x:"red"}}',
        # calls and what does not resolve
        "{print(x)}", "{name.upper()}", "{rows[0]()}", "{nope}", "{x.nope}", "{rows[9]}", "{table['z']}", "{rows['x']}", "{print}",
        "{__import__}", "{name.}", "{.name}", "{rows[}", "{rows[0}", "{rows]0[}", "{x", "x}", "{", "}", "{x:", "{x!", "{x!q}",
        # format specs that do not fit
        "{name:.2f}", "{day:foo}", "{x:%%%}", "{y:99999999999}", "{y:.9999999f}", "{rows:5}", "{x!r:.2f}",
    ],
)  # fmt: skip
def test_every_other_brace_stays_as_typed(prompt):
    assert fill(prompt, SPACE) == Filled(prompt)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("{{name}}", "{name}"),
        ("{{nope}}", "{nope}"),
        ("{{a.b}} {{x:.2f}}", "{a.b} {x:.2f}"),
        ("{{x}, {y}}", "{3.14159, 7}"),
        ("```\n{{name}}\n``` {{name}}", "```\n{{name}}\n``` {{name}}"),
        ("${{name}}$", "${{name}}$"),
    ],
)
def test_doubled_braces_are_the_literal_name(prompt, text):
    assert fill(prompt, SPACE).text == text


def test_what_was_put_in_is_told():
    assert fill("{name} and {x:.1f}", SPACE).values == (("name", "Ada"), ("x", "3.1"))


def test_dataframes_figures_arrays_and_paths_are_attached_and_named_in_the_sentence():
    space = {
        "sales": pd.DataFrame({"a": [1]}),
        "fig": Figure(),
        "grid": np.zeros((2, 2)),
        "p": Path("a.png"),
        "data": "data:image/png;base64,AAAA",
        "long": list(range(1000)),
        "fn": len,
    }
    filled = fill(
        "Compare {sales} with {fig}, {grid}, {p}, {data}, {long}, {fn}, {sales.a} and {sales}.", space
    )
    assert filled.text == "Compare sales with fig, grid, p, data, long, fn, sales.a and sales."
    assert [name for name, _ in filled.attached] == [
        "sales",
        "fig",
        "grid",
        "p",
        "data",
        "long",
        "fn",
        "sales.a",
    ]
    assert filled.attached[0][1] is space["sales"]
    assert not filled.hints


def test_no_conversion_turns_a_frame_into_text():
    space = {"sales": pd.DataFrame({"a": ["canary"]})}
    for prompt in ("{sales!r}", "{sales!s}", "{sales.a!r}", "{sales:.2f}", "{sales!r:>5}"):
        filled = fill(prompt, space)
        assert "canary" not in filled.text
    assert fill("{sales!r}", space).attached


def test_scalars_of_every_kind_are_text():
    class Color(enum.Enum):
        RED = 1

    values = [
        1, 2.5, 1j, True, None, "text", Decimal("1.10"), dt.datetime(2026, 1, 2), dt.timedelta(1), Color.RED,
        np.float64(1.5), np.int8(3), np.datetime64("2026-01-01"), pd.Timestamp("2026-01-01"), pd.NA, pd.NaT, [1, "a"],
        {"a": (1, 2)}, {1, 2}, pd.Period("2026-01"), range(3),
    ]  # fmt: skip
    assert all(map(is_textlike, values))
    assert fill("{v} {v!r}", {"v": np.float64(1.5)}).text.startswith("1.5 ")
    circular: list[object] = []
    circular.append(circular)
    others = [
        np.zeros(3), pd.Series([1]), b"x", Path("x"), object, object(), [object()], "x" * 100 and [["x" * 5000]], circular,
        "iVBORw0KGgo" + "A" * 100,
    ]  # fmt: skip
    assert not any(map(is_textlike, others))
    assert is_textlike("an ordinary long text " * 1000)


def test_a_user_type_with_a_format_of_its_own_is_formatted():
    class Metres(float):
        def __format__(self, spec: str) -> str:
            return float.__format__(self, spec) + " m"

    class Money:
        def __format__(self, spec: str) -> str:
            return "£5"

    assert fill("{a:.1f} {b:x}", {"a": Metres(2), "b": Money()}).text == "2.0 m £5"


def test_look_ups_that_fail_or_hang_leave_the_brace_as_typed():
    gate = threading.Event()

    class Awkward:
        @property
        def raises(self):
            raise ValueError

        @property
        def ends(self):
            raise SystemExit

        @property
        def hangs(self):
            gate.wait(20)
            return 1

        def __getitem__(self, key):
            raise KeyboardInterrupt

    prompt = "{o.raises} {o.ends} {o[0]} {o.hangs} {o.hangs} {o.hangs!r} {y}"
    started = time.monotonic()
    assert fill(prompt, {"o": Awkward(), "y": 7}, seconds=0.2).text == prompt.replace("{y}", "7")
    assert (
        time.monotonic() - started < 10
    )  # three hanging lookups would wait 0.6 s; without the limit a minute
    gate.set()


def test_names_and_plain_items_start_no_thread(monkeypatch):
    def refuse(*_: object, **__: object):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert fill('{name} {rows[0]["x"]} {x:.1f} {day}', SPACE).text == "Ada first 3.1 2026-11-22"


def test_what_ipython_puts_into_the_namespace_is_not_meant():
    from IPython.core.interactiveshell import InteractiveShell

    space = {"open": open, "get_ipython": InteractiveShell.get_ipython}
    prompt = "function get_ipython() {open} {get_ipython}"
    assert fill(prompt, space) == Filled(prompt)
    assert fill("{open}", {"open": 101.5}).text == "101.5"


def test_a_frame_or_figure_named_without_braces_gets_a_hint_and_is_not_sent():
    space = {"sales": pd.DataFrame({"a": [1]}), "fig": Figure(), "x": 1}
    filled = fill("What do sales and fig say about x?", space)
    assert filled.hints == (
        "`sales` is a dataframe here; write {sales} to show it",
        "`fig` is a figure here; write {fig} to show it",
    )
    assert (filled.text, filled.attached) == ("What do sales and fig say about x?", ())


@pytest.mark.parametrize(
    "prompt",
    [
        "Look at {sales}: do sales rise?",
        "presales, sales_2, shop.sales, {{sales}}, $sales$",
        "```\nsales.plot()\n```",
    ],
)
def test_no_hint_where_it_would_tell_nothing(prompt):
    assert fill(prompt, {"sales": pd.DataFrame({"a": [1]})}).hints == ()


def test_no_hint_about_what_is_attached_as_a_name():
    space = {"sales": pd.DataFrame({"a": [1]})}
    assert fill("do sales rise?", space, named=["sales"]).hints == ()
    assert fill("do sales rise?", space, named=['sales["a"]']).hints == ()


def test_frames_and_figures_are_told_by_type_in_every_library():
    import polars as pl
    import pyarrow as pa

    frames = [
        pd.DataFrame(),
        pl.DataFrame(),
        pl.LazyFrame(),
        pa.table({}),
        type("Sub", (pd.DataFrame,), {})(),
    ]
    assert {sort_of(frame) for frame in frames} == {"dataframe"}
    assert sort_of(Figure()) == sort_of(Figure().subplots()) == "figure"

    class Table:
        pass

    assert sort_of(Table()) is None


WORDS = [
    "{x}",
    "{{x}}",
    "{nope}",
    "$",
    "$$",
    "x",
    " ",
    "\n",
    "\\(",
    "\\)",
    "```\n",
    "`",
    "^",
    "\\frac",
    "{",
    "}",
    "{a[",
    "5",
]


@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join) | st.text())
def test_without_resolvable_names_only_doubled_braces_change(prompt):
    text = fill(prompt, {"other": 1}).text
    if "{{" not in prompt:
        assert text == prompt
    assert re.sub(r"[{}]", "", text) == re.sub(r"[{}]", "", prompt)


@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
def test_what_was_put_in_is_never_read_again(prompt):
    for value in ("{x}", "{{x}}", "$", "```\n", "`", "\\frac", "\\(", "^"):
        marked = fill(prompt, {"x": "\0"}).text
        assert fill(prompt, {"x": value}).text == marked.replace("\0", value)


@given(
    st.text(alphabet="ab{}x_^ =", max_size=10).map(lambda t: f"a{t}{{x}}b"),
    st.sampled_from([("$", "$"), ("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]")]),
    st.sampled_from(["", "so ", "\n\n", "- ", "**", "(", "{x} "]),
)
def test_nothing_inside_mathematics_is_ever_replaced(inside, dollars, before):
    formula = dollars[0] + inside + dollars[1]
    assert fill(f"{before}{formula} end", {"x": "SECRET"}).text.endswith(formula + " end")


@given(st.text(alphabet="ab{}x$`\\ \n", max_size=30))
def test_nothing_inside_fenced_code_is_ever_replaced(inside):
    code = "~~~~\n" + inside + "{x}\n~~~~\n"
    assert fill("{x}\n" + code + "{x}", {"x": 1}).text == "1\n" + code + "1"


@pytest.mark.parametrize(
    "unit",
    [
        "{", "}", "{x} ", "{{x}} ", "{nope} ", "$", "$$ ", "$x ", "`", "` `` ", "{x['", '{x["{"', "{x[", "\\", "\\(", "\\a{", "```\n",
        "- ", "> ", "{" + "a" * 390, "\n", "{x", "{a.b[0]\n\n", "_{", "[" * 90 + "]{",
    ],
)  # fmt: skip
def test_time_is_linear_in_the_length(unit):
    def seconds(size: int) -> float:
        prompt = "{x} " + unit * (size // len(unit)) + " {x}"
        started = time.process_time()
        fill(prompt, {"x": 1})
        return time.process_time() - started

    assert seconds(160_000) < 0.2 + 64 * seconds(10_000)  # 16 if linear, 256 if quadratic


def test_five_megabytes_are_filled():
    prompt = "Some prose with {name} and $x{y}$ and {'json': 1}.\n" * 100_000
    assert fill(prompt, SPACE).text.count("Ada") == 100_000
