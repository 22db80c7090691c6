"""Structured answers (`returns`): whatever type is asked for comes back as a value of it, or is refused in a clear line."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import typing
from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel, ConfigDict, Field
from support.world import stage

from claude_jupyter.client.schemas import Returns
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.errors import ReturnsError, UsageError


class Color(enum.Enum):
    RED = "red"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: datetime.date
    color: Color
    pair: tuple[int, str]


class Aliased(BaseModel):
    count: int = Field(alias="howMany", ge=0)


@dataclass
class Point:
    x: int
    names: list[str] = field(default_factory=list)


class Half(typing.TypedDict):
    a: int
    b: typing.NotRequired[str]


class Pair(typing.NamedTuple):
    a: int
    b: str


@pytest.mark.parametrize(
    ("kind", "told", "value"),
    [
        (
            Strict,
            {"day": "2024-01-02", "color": "red", "pair": [1, "x"]},
            Strict(day=datetime.date(2024, 1, 2), color=Color.RED, pair=(1, "x")),
        ),
        (Aliased, {"howMany": 3}, Aliased(howMany=3)),
        (Point, {"x": 1, "names": ["a"]}, Point(1, ["a"])),
        (Half, {"a": 1}, {"a": 1}),
        (Pair, {"value": [1, "x"]}, Pair(1, "x")),
        (list[Point], {"value": [{"x": 1}]}, [Point(1)]),
        (typing.Literal["a", "b"], {"value": "b"}, "b"),
        (Color, {"value": "red"}, Color.RED),
        (int | None, {"value": None}, None),
        (set[str], {"value": ["a", "b"]}, {"a", "b"}),
        (tuple[int, str], {"value": [1, "x"]}, (1, "x")),
        (datetime.date, {"value": "2024-01-02"}, datetime.date(2024, 1, 2)),
        (decimal.Decimal, {"value": "1.50"}, decimal.Decimal("1.50")),
        (bytes, {"value": "abc"}, b"abc"),
    ],
)
def test_a_type_comes_back_as_a_value_of_it(kind, told, value):
    with stage(json.dumps(told)) as s:
        answer = s.claude.ask("q", returns=kind)
        assert answer.value == value and type(answer.value) is type(value)
        assert s.bodies[0]["output_config"]["format"]["schema"]["type"] == "object"
        assert len(s.bodies) == 1


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ({"a": int}, "returns must be a type"),
        ([Point], "returns must be a type"),
        ("Point", "returns must be a type"),
        (list, "list cannot be used as a return type: it does not say what it contains"),
        (dict[str, int], r"dict\[str, int\] cannot be used as a return type: .*named fields"),
    ],
)
def test_what_is_no_type_is_refused_in_a_line_that_says_what_to_do(kind, says):
    with stage() as s:
        with pytest.raises(UsageError, match=says) as caught:
            s.claude.ask("q", returns=kind)
        assert "\n" not in caught.value.message and "http" not in caught.value.message
        assert not s.bodies


def test_a_value_that_does_not_fit_names_the_place():
    with pytest.raises(ReturnsError, match=r"day: Input should be a valid date"):
        Returns(Strict).value('{"day": "soon", "color": "red", "pair": [1, "x"]}')


@pytest.mark.parametrize("told", ["[1]", '{"columns": ["a"], "rows": [1]}', '{"columns": 1}', "3", "null"])
def test_what_is_no_table_is_said_in_a_line(told):
    with pytest.raises(ReturnsError, match="not a table"):
        Returns("dataframe").value(told)


def test_calls_without_end_give_no_value_and_bind_none():
    def look() -> str:
        """Look."""
        return "nothing"

    with stage(Script(calls=[Call("look")])) as s:
        s.settings.max_tool_rounds = 2
        space = {}
        s.env.namespace = lambda: space
        with pytest.raises(
            ReturnsError, match=r"No value was returned. Stopped calling tools after 2 rounds"
        ):
            s.claude.ask("q", returns=int, tool=look, out="x")
        assert "x" not in space and not s.claude.last.complete
        assert len(s.bodies) == 3


def test_an_answer_that_ended_for_a_reason_yet_unknown_still_has_its_value():
    with stage(Script(text='{"value": 3}', stop_reason="a_new_reason")) as s:
        assert s.claude.ask("q", returns=int).value == 3
