"""An exception is shown as a colleague would want it: traceback with source, the failing frame's variables, and its causes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content import attach
from claude_jupyter.content.cells import tracebacks
from claude_jupyter.content.rules import Rules


def caught(call: Any) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def one(error: BaseException, **rules: Any) -> Attachment:
    (attachment,) = attach(error, "error", Rules(**rules))
    return attachment


def text(error: BaseException, **rules: Any) -> str:
    return one(error, **rules).blocks[0]["text"]


def analyse(sales: pd.DataFrame) -> Any:
    total = 0
    column = "prize"
    return total + sales[column].sum()


def test_it_shows_where_what_and_the_variables_with_a_frames_dtypes() -> None:
    sales = pd.DataFrame({"region": ["n"], "price": ["1,5"]})
    shown = one(caught(lambda: analyse(sales)))
    said = shown.blocks[0]["text"]
    assert said.startswith('<attachment label="error" kind="error">\nTraceback')
    assert "-->" in said and "return total + sales[column].sum()" in said
    assert "KeyError: 'prize'" in said
    assert "sales = pandas DataFrame 1 × 2: region str, price str" in said
    assert "column = 'prize'" in said and "total = 0" in said
    assert (shown.kind, shown.sent, shown.rows) == ("error", "KeyError with traceback", True)


def test_an_error_inside_a_library_shows_the_users_own_variables() -> None:
    def load() -> Any:
        words = "{broken"
        return json.loads(words)

    said = text(caught(load))
    assert "words = '{broken'" in said and "json.decoder, line" in said and "JSONDecodeError" in said


def test_an_error_with_no_frame_near_holds_no_rows() -> None:
    assert not one(caught(lambda: 1 / 0)).rows


def test_it_names_files_and_modules_but_no_folder_of_this_machine() -> None:
    said = text(caught(lambda: analyse(pd.DataFrame())))
    assert str(Path(__file__).parent) not in said and "/lib/" not in said
    assert "test_tracebacks.py, line" in said and "pandas.core" in said


def test_causes_come_first_with_how_they_are_related() -> None:
    def implicit() -> None:
        try:
            {}["x"]
        except KeyError:
            raise ValueError("then")  # noqa: B904

    def explicit() -> None:
        try:
            implicit()
        except ValueError as error:
            raise RuntimeError("last") from error

    said = text(caught(explicit))
    places = [
        said.index(p)
        for p in (
            "KeyError: 'x'",
            "during the handling",
            "ValueError: then",
            "directly caused",
            "RuntimeError: last",
        )
    ]
    assert places == sorted(places)

    def hidden() -> None:
        try:
            implicit()
        except ValueError:
            raise RuntimeError("alone") from None

    assert "KeyError" not in text(caught(hidden))


def test_groups_and_notes_are_shown() -> None:
    group = ExceptionGroup("several", [ValueError("one"), KeyError("two")])
    group.add_note("a hint")
    said = text(group)
    assert "several" in said and "a hint" in said and "ValueError: one" in said and "KeyError: 'two'" in said


def test_a_syntax_error_shows_its_line() -> None:
    said = text(caught(lambda: compile("x = = 2", "<cell>", "exec")))
    assert "SyntaxError: invalid syntax (line 1)" in said and "x = = 2" in said


def test_a_deep_recursion_keeps_both_ends() -> None:
    def down(n: int) -> int:
        return down(n + 1)

    said = text(caught(lambda: down(0)))
    assert "frames left out" in said and "RecursionError" in said
    assert one(caught(lambda: down(0))).tokens <= 4200


def test_an_exception_never_raised_is_its_name_and_message() -> None:
    assert "ValueError: no\n</attachment>" in text(ValueError("no"))
    assert "KeyboardInterrupt" in text(KeyboardInterrupt())


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Strange(Exception):
    def __str__(self) -> Any:
        return 5


@pytest.mark.parametrize(
    "error", [Broken("x"), Strange("x"), ValueError("x" * 10_000_000), ValueError("\ud800")]
)
def test_an_error_whose_message_fails_or_is_endless_is_shown(error: BaseException) -> None:
    assert type(error).__name__ in text(error)
    assert one(error).tokens < 4200


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert "ValueError: a" in text(first)


def test_rows_none_keeps_the_words_of_a_message_and_not_its_values() -> None:
    sales = pd.DataFrame({"price": ["Anna Smith owes 17"]})
    said = text(caught(lambda: sales["price"].astype(float)), rows="none")
    assert "ValueError: could not convert string to float: '…'" in said
    assert "sales = pandas DataFrame 1 × 1: price str" in said
    assert said.count("Anna") == said.count('"Anna Smith owes 17"')  # as source: what the user typed


def test_rows_none_keeps_column_names() -> None:
    sales = pd.DataFrame({"price": [1]})

    def fails(frame: pd.DataFrame) -> None:
        raise KeyError("price")

    assert "KeyError: 'price'" in text(caught(lambda: fails(sales)), rows="none")


def test_the_failing_cell_can_be_shown_above() -> None:
    shown = tracebacks.attach(ValueError("no"), "error", Rules(), cell="df.sum(\n")
    assert "the failing cell:\ndf.sum(" in shown.blocks[0]["text"]


def test_a_variable_that_cannot_be_shown_does_not_hide_the_others() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    def fails() -> None:
        bad, good = Bad(), 7
        raise ValueError(f"{type(bad)}{good}")

    said = text(caught(fails))
    assert "its repr raised RuntimeError" in said and "good = 7" in said


def test_the_variables_of_the_failing_statement_come_first_and_the_rest_by_size() -> None:
    def work() -> None:
        tiny = 1
        large = list(range(500))
        middle = [1, 2, 3]
        divisor = 0
        wanted = 7
        for _ in range(1):
            wanted = wanted / divisor
        print(tiny, large, middle)

    try:
        work()
    except ZeroDivisionError as error:
        text = tracebacks.attach(error, "error", Rules()).blocks[0]["text"]
    listed = re.findall(r"^  (\w+) = ", text.partition("variables in")[2], re.MULTILINE)
    assert listed == ["wanted", "divisor", "large", "middle", "tiny"]


def test_a_lazy_frame_among_the_variables_warns_of_nothing() -> None:
    def analyse_lazily() -> None:
        sales = pl.LazyFrame({"revenue": [1]})
        raise ValueError(f"no revenue in {type(sales).__name__}")

    assert "revenue" in text(caught(analyse_lazily), rows="none")
