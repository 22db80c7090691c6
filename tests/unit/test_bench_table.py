"""The benchmark's table, JSON and chart say what was measured, what was not, and why."""

import xml.etree.ElementTree as ET

import pytest
from benchmarks.beside.alternatives import ALTERNATIVES, OURS, named
from benchmarks.beside.bench import Bench
from benchmarks.beside.chart import draw
from benchmarks.beside.environments import Home, home
from benchmarks.beside.figures import Cannot, Figure, Row, from_json, markdown, table, to_json
from benchmarks.beside.main import merged
from benchmarks.beside.stub import DELTA, Answer

NAMES = [OURS, "chatlas", "genai"]


def rows() -> list[Row]:
    fast = Row(
        "load",
        "load",
        "s",
        cells={OURS: Figure(0.03), "chatlas": Figure(1.07), "genai": Cannot("does not load")},
    )
    slow = Row(
        "busy", "busy", "s", cells={OURS: Figure(3.6), "chatlas": Figure(36.9, "behind", at_least=True)}
    )
    more = Row("map", "answers a second", "", more=True, cells={OURS: Figure(81.0), "chatlas": Figure(81.9)})
    return [fast, slow, more]


def test_the_table_marks_the_best_and_names_each_reason() -> None:
    text = table(rows(), NAMES)
    assert "0.030*" in text and "> 36.9" in text
    assert "81.0*" in text and "81.9*" in text, "a difference below two percent is a tie"
    assert "genai: does not load (load)" in text and "chatlas: behind (busy)" in text


def test_a_lower_bound_is_never_the_best() -> None:
    row = Row("x", "x", "s", cells={OURS: Figure(5.0), "chatlas": Figure(1.0, at_least=True)})
    assert row.best() == {OURS}


def test_the_json_file_gives_the_same_table_again() -> None:
    read, about = from_json(to_json(rows(), {"versions": {}}))
    assert table(read, NAMES) == table(rows(), NAMES)
    assert about == {"versions": {}}


def test_a_group_measured_again_takes_the_place_of_the_old_one() -> None:
    old = (
        [Row("load", "load", "s"), Row("session", "session", "$")],
        {"groups": {"start": {"when": "then"}, "session": {}}},
    )
    new = ([Row("load", "load", "s", cells={OURS: Figure(1.0)})], {"groups": {"start": {"when": "now"}}})
    rows, about = merged(old, new)
    assert [(row.id, len(row.cells)) for row in rows] == [("load", 1), ("session", 0)]
    assert about["groups"] == {"start": {"when": "now"}, "session": {}}


def test_markdown_has_a_column_for_each() -> None:
    lines = markdown(rows(), NAMES).splitlines()
    assert {line.count("|") for line in lines} == {5}
    assert "**0.030**" in lines[2]


def test_the_chart_is_valid_svg_and_tells_the_reasons() -> None:
    root = ET.fromstring(draw(rows(), NAMES))
    told = " ".join(root.itertext())
    assert "does not load" in told and "> 36.9" in told


def test_offline_an_alternative_is_left_out_with_a_reason(tmp_path) -> None:
    (ours, other) = named(["chatlas"])
    homes = {ours.name: home(ours), other.name: Home(tmp_path, missing="could not be installed: no network")}
    bench = Bench(None, [ours, other], homes, tmp_path)  # type: ignore[arg-type]
    (row,) = bench.each("load", [Row("load", "load", "s")], lambda _a, _h: {"load": Figure(1.0)})
    assert row.cells == {ours.name: Figure(1.0), "chatlas": Cannot("could not be installed: no network")}


def test_one_that_fails_costs_the_others_nothing(tmp_path) -> None:
    def measure(alternative, _home):
        if alternative.name != OURS:
            raise RuntimeError("it fell over\nwith a long tale")
        return {"load": Figure(1.0)}

    pair = named(["chatlas"])
    bench = Bench(None, pair, {a.name: Home(tmp_path) for a in pair}, tmp_path)  # type: ignore[arg-type]
    (row,) = bench.each("load", [Row("load", "load", "s")], measure)
    assert row.cells == {OURS: Figure(1.0), "chatlas": Cannot("failed here: RuntimeError: it fell over")}


def test_each_alternative_asks_what_it_is_told_and_an_unknown_name_is_refused() -> None:
    assert all("PROMPT" in alternative.ask for alternative in ALTERNATIVES)
    with pytest.raises(ValueError, match="no alternative chatless"):
        named(["chatless"])


def test_the_marks_are_alone_in_the_first_and_the_last_delta() -> None:
    answer = Answer(8000, 1.0, 7)
    assert answer.text[:DELTA].strip() == answer.first and answer.text[-DELTA:].strip() == answer.last
    assert len(answer.text) % DELTA == 0
