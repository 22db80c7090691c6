"""Structured answers as people read them, in the notebook and in any other viewer of the file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from claude_jupyter.answer.model import Answer
from claude_jupyter.display.bundle import bundle
from claude_jupyter.display.inert import inert
from claude_jupyter.display.structured.readable import readable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"value": "yes"}, "yes"),
        ({"value": 3.5}, "3.5"),
        ({"value": True}, "true"),
        ({"value": "cost_per_$ *x*"}, "cost_per&#95;&#36; &#42;x&#42;"),
        ({"name": "North", "score": 5}, "| field | value |\n| --- | --- |\n| name | North |\n| score | 5 |"),
        (
            {"value": [{"name": "a|b", "n": 1}, {"name": "c", "more": None}]},
            "| name | n | more |\n| --- | --- | --- |\n| a&#124;b | 1 |  |\n| c |  |  |",
        ),
        (
            {"columns": ["day", "mm"], "rows": [["Mon", 1.5], ["Tue", 0]]},
            "| day | mm |\n| --- | --- |\n| Mon | 1.5 |\n| Tue | 0 |",
        ),
        ({"value": ["a", "b"]}, "- a\n- b"),
        ({"a": {"b": [1]}}, '```json\n{\n  "a": {\n    "b": [\n      1\n    ]\n  }\n}\n```'),
        (
            {"columns": ["day"], "rows": [["Mon", 1]]},
            '```json\n{\n  "columns": [\n    "day"\n  ],\n  "rows": [\n    [\n      "Mon",\n      1\n    ]\n  ]\n}\n```',
        ),
        ({"value": []}, "```json\n[]\n```"),
        ({"value": ""}, '""'),
    ],
)
def test_a_table_where_it_is_one_else_the_value_or_the_json_laid_out(value, shown):
    assert readable(json.dumps(value)) == shown


def test_a_long_table_says_what_it_leaves_out():
    text = readable(json.dumps({"value": [{"n": n} for n in range(1_250)]}))
    assert text.count("\n| ") == 101 and text.endswith("\n\n*… and 1,150 more rows*")


def test_a_cut_answer_stays_as_it_came():
    assert readable('{"value": [{"n": 1}, {"n"') == '{"value": [{"n": 1}, {"n"'


def test_a_path_of_windows_reads_as_one_in_a_table():
    text = readable(json.dumps({"path": "C:\\tmp"}))
    assert inert(text) == text and "| path | C:\\\\\u200btmp |" in text


@example({"\\": None})
@example({"@+": None})
@example({"+@": "@@"})
@example({"a": "\\(x\\) $y$"})
@given(JSON)
def test_it_is_inert_as_it_is(value):
    text = readable(json.dumps(value))
    assert inert(text) == text or text.startswith("```json")


def test_the_notebook_keeps_the_table_and_the_text_as_it_was_sent():
    sent = '{"value": [{"store": "North", "open": true}]}'
    answer = Answer("a1", blocks=({"type": "text", "text": sent},), complete=True)
    data, _ = bundle(replace(answer, value=[object()]))
    assert data["text/markdown"].startswith("**Claude**\n\n| store | open |")
    assert data["text/plain"] == sent
    plain = bundle(answer)[0]["text/markdown"]  # an answer in JSON that nobody asked for
    assert plain.startswith('**Claude**\n\n{"value"')
