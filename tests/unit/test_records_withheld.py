"""`--rows none` withholds rows by what they are, not by their container: a canary in every record, whatever way it gets in."""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import sqlite3
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pandas as pd
import pydantic
import pytest
from IPython.display import JSON
from support.world import stage

from claude_jupyter.content import attach, register
from claude_jupyter.content.declared import FUNCTIONS
from claude_jupyter.content.dispatch import attach_file
from claude_jupyter.content.prompt.interpolate import fill
from claude_jupyter.content.rules import Rules

TEXT, NUMBER = "CANARY7351", 73517351
MARKS = (TEXT, TEXT.lower(), str(NUMBER), "73,517,351", "7.351735e")
NONE = Rules(rows="none")
FRAME = pd.DataFrame({"name": [TEXT, TEXT + "b"], "salary": [NUMBER, NUMBER + 1]})
NAMED = FRAME.set_index("name")


class Person(pydantic.BaseModel):
    name: str
    salary: int


class People(pydantic.BaseModel):
    people: list[Person]


@dataclasses.dataclass
class Row:
    name: str
    salary: int


@dataclasses.dataclass(slots=True)
class Slotted:
    name: str
    salary: int


class Tuple(NamedTuple):
    name: str
    salary: int


class Typed(TypedDict):
    name: str
    salary: int


def database_rows() -> list[sqlite3.Row]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    return connection.execute(f"select '{TEXT}' name, {NUMBER} salary").fetchall()


PERSON = Person(name=TEXT, salary=NUMBER)

VALUES: dict[str, Callable[[], Any]] = {
    **{f"to_dict {o}": lambda o=o: FRAME.to_dict(o) for o in ("dict", "list", "series", "split", "tight", "records", "index")},
    **{f"to_dict {o}, named": lambda o=o: NAMED.to_dict(o) for o in ("dict", "list", "series", "split", "tight", "index")},
    "series to_dict": lambda: NAMED["salary"].to_dict(),
    "series to list": lambda: FRAME["name"].tolist(),
    "one record": lambda: FRAME.to_dict("records")[0],
    "rows": lambda: FRAME.to_numpy().tolist(),
    "tuples": lambda: list(FRAME.itertuples(index=False, name=None)),
    "named tuples": lambda: list(FRAME.itertuples()),
    "named tuple": lambda: Tuple(TEXT, NUMBER),
    "zip": lambda: list(zip(FRAME["name"], FRAME["salary"], strict=True)),
    "dict of zip": lambda: dict(zip(FRAME["name"], FRAME["salary"], strict=True)),
    "set": lambda: set(FRAME["name"]),
    "frozenset": lambda: frozenset(FRAME["name"]),
    "deque": lambda: collections.deque(FRAME.to_dict("records")),
    "IPython's JSON": lambda: JSON(FRAME.to_dict("records")),
    "XML without a head": lambda: f"<rows><row><name>{TEXT}</name></row></rows>",
    "XML, one record": lambda: f'<person id="1">\n  <name>{TEXT}</name>\n</person>',
    "YAML, one record": lambda: f"- name: {TEXT}\n  salary: {NUMBER}\n",
    "counter": lambda: collections.Counter(FRAME["name"]),
    "default dict": lambda: collections.defaultdict(list, {TEXT: [NUMBER]}),
    "mapping proxy": lambda: types.MappingProxyType({TEXT: NUMBER}),
    "dict values": lambda: {1: TEXT}.values(),
    "dict keys": lambda: {TEXT: 1}.keys(),
    "dict items": lambda: {TEXT: NUMBER}.items(),
    "ragged": lambda: [[TEXT], [TEXT, NUMBER]],
    "nested": lambda: {"data": [{"name": TEXT, "tags": [TEXT]}], "page": NUMBER},
    "deep": lambda: {"a": {"b": {"c": [{"d": TEXT}]}}},
    "dataclass": lambda: Row(TEXT, NUMBER),
    "dataclasses": lambda: [Row(TEXT, NUMBER)] * 3,
    "slotted dataclasses": lambda: [Slotted(TEXT, NUMBER)],
    "pydantic": lambda: PERSON,
    "pydantics": lambda: [PERSON, PERSON],
    "pydantic in pydantic": lambda: People(people=[PERSON]),
    "pydantic dump": lambda: People(people=[PERSON]).model_dump(),
    "named tuple list": lambda: [Tuple(TEXT, NUMBER)],
    "typed dicts": lambda: [Typed(name=TEXT, salary=NUMBER)],
    "namespaces": lambda: [types.SimpleNamespace(name=TEXT)],
    "namespace": lambda: types.SimpleNamespace(name=TEXT),
    "database rows": database_rows,
    "database row": lambda: database_rows()[0],
    "structured array": lambda: np.array([(TEXT, NUMBER)], dtype=[("name", "U20"), ("salary", "i8")]),
    "record array": lambda: FRAME.to_records(),
    "object array": lambda: np.array([{"name": TEXT}], dtype=object),
    "groups": lambda: FRAME.groupby("name")["salary"].apply(list).to_dict(),
    "frame beside": lambda: {"frame": FRAME, TEXT: NUMBER},
    "csv": lambda: FRAME.to_csv(),
    "csv without index": lambda: FRAME.to_csv(index=False),
    "semicolons": lambda: FRAME.to_csv(index=False, sep=";"),
    "tabs": lambda: FRAME.to_csv(index=False, sep="\t"),
    "to_string": lambda: FRAME.to_string(),
    "series to_string": lambda: FRAME["name"].to_string(),
    "to_markdown": lambda: f"| name | salary |\n|:-----|-------:|\n| {TEXT} | {NUMBER} |",
    "to_html": lambda: FRAME.to_html(),
    "to_latex": lambda: "\\begin{tabular}{lr}\n" + f"{TEXT} & {NUMBER} \\\\\n\\end{{tabular}}",
    "to_xml": lambda: f"<?xml version='1.0'?>\n<data><row><name>{TEXT}</name></row></data>",
    **{f"to_json {o}": lambda o=o: FRAME.to_json(orient=o) for o in ("records", "split", "index", "columns", "values", "table")},
    "json lines": lambda: FRAME.to_json(orient="records", lines=True),
    "json of one record": lambda: FRAME.iloc[0].to_json(),
    "json cut off": lambda: FRAME.to_json(orient="records")[:-4],
    "pydantic json": lambda: PERSON.model_dump_json(),
    "str of records": lambda: str(FRAME.to_dict("records")),
    "str of rows": lambda: str(FRAME.to_numpy().tolist()),
    "sql": lambda: f"INSERT INTO people (name, salary) VALUES ('{TEXT}', {NUMBER});",
    "yaml": lambda: f"- name: {TEXT}\n  salary: {NUMBER}\n- name: {TEXT}\n  salary: {NUMBER}\n",
    "bytes": lambda: FRAME.to_csv().encode(),
    "json bytes": lambda: FRAME.to_json(orient="records").encode(),
    "StringIO": lambda: io.StringIO(FRAME.to_csv()),
    "BytesIO": lambda: io.BytesIO(FRAME.to_csv().encode()),
}  # fmt: skip


def leaks(attachments: Any) -> list[str]:
    said = json.dumps([[a.blocks, a.sent, a.notes, a.label] for a in attachments], default=str)
    return [mark for mark in MARKS if mark in said]


@pytest.mark.parametrize("name", VALUES)
def test_no_value_of_a_record_leaves_under_rows_none(name: str) -> None:
    shown = attach(VALUES[name](), "value", NONE)
    assert shown and leaks(shown) == []
    assert not any(a.rows for a in shown)


@pytest.mark.parametrize(
    "name", [name for name in VALUES if name not in ("deep", "database row", "database rows")]
)
def test_the_canary_sings_when_rows_may_leave(name: str) -> None:
    assert leaks(attach(VALUES[name](), "value", Rules()))


@pytest.mark.parametrize("name", VALUES)
def test_nor_does_it_leave_in_a_prompt(name: str) -> None:
    filled = fill("Look at {value} and {value!r}.", {"value": VALUES[name]()}, withhold=True)
    assert not any(mark in filled.text for mark in MARKS)
    assert [expression for expression, _ in filled.attached] == ["value"]


@pytest.mark.parametrize("name", ["to_dict records", "pydantics", "csv", "json lines", "rows"])
def test_nor_from_a_tool_a_registered_function_or_an_error(name: str) -> None:
    class Held:
        pass

    register(Held, lambda _held: VALUES[name]())
    try:
        assert leaks(attach(Held(), "value", NONE)) == []
    finally:
        FUNCTIONS.pop(Held)

    def fails(rows: Any) -> None:
        raise ValueError(f"bad: {rows}")

    with pytest.raises(ValueError) as caught:
        fails(VALUES[name]())
    assert leaks(attach(caught.value, "error", NONE)) == []


FILES: dict[str, Callable[[], str]] = {
    "a.json": lambda: FRAME.to_json(orient="records"),
    "b.json": lambda: FRAME.to_json(orient="split"),
    "c.json": lambda: json.dumps({"data": FRAME.to_dict("records")}, indent=2),
    "d.jsonl": lambda: FRAME.to_json(orient="records", lines=True),
    "e.ndjson": lambda: FRAME.to_json(orient="records", lines=True),
    "f.geojson": lambda: json.dumps(
        {"type": "FeatureCollection", "features": [{"properties": {"name": TEXT}}]}
    ),
    "g.txt": lambda: FRAME.to_csv(),
    "h.dat": lambda: FRAME.to_csv(sep="\t"),
    "i.xml": lambda: f"<?xml version='1.0'?><data><row>{TEXT}</row></data>",
    "j.yaml": lambda: f"- name: {TEXT}\n- name: {TEXT}\n",
    "k.html": lambda: FRAME.to_html(),
    "l.md": lambda: f"| name |\n|------|\n| {TEXT} |",
    "m.log": lambda: FRAME.to_string(),
    "n.sql": lambda: f"INSERT INTO t VALUES ('{TEXT}')",
    "records": lambda: FRAME.to_json(orient="records"),
}


@pytest.mark.parametrize("name", FILES)
def test_nor_from_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name]())
    assert leaks(attach_file(tmp_path / name, NONE)) == []
    assert leaks(attach_file(tmp_path / name, Rules()))


def test_over_the_whole_way_no_request_holds_it() -> None:
    with stage("Yes.") as s:
        s.claude.ask("?", *(make() for make in VALUES.values()), rows="none")
        assert s.bodies and not any(mark in json.dumps(s.bodies) for mark in MARKS)


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        (FRAME.to_dict("records"), ["list of 2 records", "name: str (2)", "salary: int (2)"]),
        (FRAME.to_dict("list"), ["dict of 2 columns of 2 values", "name: str (2)"]),
        (FRAME.to_dict("split"), ["2 rows", "columns: name, salary"]),
        (FRAME.to_dict("dict"), ["dict of 2 columns of 2 values", "salary: int (2)"]),
        (FRAME.to_dict("index"), ["dict of 2 records", "name: str (2)"]),
        (FRAME.to_numpy().tolist(), ["list of 2 rows of 2 values"]),
        ([PERSON], ["list of 1 record of ", "Person", "salary: int (1)"]),
        (PERSON, ["a record of ", "name: str (1)"]),
        (FRAME.to_json(orient="records"), ["text of a list of 2 records", "name: str (2)"]),
        (FRAME.to_csv(), ["text with a table, 3 lines"]),
    ],
)
def test_names_types_and_counts_leave_and_the_chip_says_that_no_values_do(
    value: Any, pieces: list[str]
) -> None:
    (shown,) = attach(value, "value", NONE)
    text = shown.blocks[0]["text"]
    assert all(piece in text for piece in pieces), text
    assert "[values withheld: --rows none]" in text and shown.sent.endswith("no values")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (42, "42"),
        (2.5, "2.5"),
        (True, "True"),
        ("Which model fits best here?", "Which model fits best"),
        ("First, load the data.\nThen, clean it, and plot.", "clean it"),
        ("a paragraph\n\nand another one, longer", "another one"),
        ("def f(a, b):\n    return a + b\n", "return a + b"),
        ("- Note: read it twice\n- then plot", "read it twice"),
        ("<div><b>Fine</b></div>", "Fine"),
        ("a < b and <c> is a letter", "is a letter"),
        ([], "[]"),
        ({}, "{}"),
        (range(5), "range(0, 5)"),
        (pd.Timestamp("2024-05-01"), "2024-05-01"),
    ],
)
def test_single_values_and_plain_text_still_go(value: Any, said: str) -> None:
    (shown,) = attach(value, "value", NONE)
    assert said in shown.blocks[0]["text"] and "withheld" not in shown.blocks[0]["text"]


def test_counts_and_plain_words_stay_in_the_sentence() -> None:
    filled = fill("{df.shape} {n} {word}", {"df": FRAME, "n": 3, "word": "plain"}, withhold=True)
    assert filled.text == "(2, 2) 3 plain"
