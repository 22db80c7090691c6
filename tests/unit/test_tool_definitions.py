"""What can be a tool: whatever can be called, with its arguments by name."""

from __future__ import annotations

import asyncio
import functools
import typing
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from claude_jupyter.client.tool_definitions import call, definition


class Place(typing.TypedDict):
    city: str
    zip: typing.NotRequired[int]


class Point(BaseModel):
    x: int


@dataclass
class Pair:
    a: int
    b: int = 2


def plain(a: int, b: str = "x") -> str:
    """Join them.

    Args:
        a: The number.
    """
    return f"{a}{b}"


def positional(a: int, b: int = 2, /, c: int = 3) -> str:
    """Three."""
    return f"{a}-{b}-{c}"


def all_positional(a: int, b: int, /) -> int:
    return a - b


def town(place: Place) -> str:
    """Where."""
    return place["city"].upper()


def towns(places: list[Place], other: Place | None = None) -> int:
    return len(places) + (other is not None)


def by_name(places: dict[str, Place]) -> str:
    return ",".join(places)


def annotated(place: typing.Annotated[Place, "a place"]) -> str:
    return place["city"]


def keyword_only(*, a: int) -> int:
    return a * 2


def modelled(point: Point, pair: Pair) -> int:
    return point.x + pair.b


async def later(a: int, /) -> int:
    return a + 1


class Weather:
    """Tells the weather."""

    def __call__(self, city: str, /, days: int = 1) -> str:
        return f"{city} {days}"

    def method(self, city: str) -> str:
        """One city's."""
        return city * 2

    @classmethod
    def kind(cls, a: int) -> str:
        return f"{cls.__name__}{a}"

    @staticmethod
    def fixed(a: int) -> int:
        return a


class HTTPFetcher(list):
    """Has no hash."""

    def __call__(self, a: int) -> int:
        return a + len(self)


class Later:
    async def __call__(self, a: int) -> int:
        """Later."""
        return a * 3


def half(value: float, digits: int = 2) -> float:
    """Half of it."""
    return round(value / 2, digits)


CASES = {
    "a function": (plain, "plain", {"a", "b"}, {"a": 1, "b": "y"}, "1y"),
    "positional only": (positional, "positional", {"a", "b", "c"}, {"a": 1, "b": 5, "c": 6}, "1-5-6"),
    "positional only, default": (positional, "positional", {"a", "b", "c"}, {"a": 1}, "1-2-3"),
    "all positional": (all_positional, "all_positional", {"a", "b"}, {"b": 1, "a": 5}, 4),
    "TypedDict": (town, "town", {"place"}, {"place": {"city": "Rome"}}, "ROME"),
    "a list of TypedDict": (
        towns,
        "towns",
        {"places", "other"},
        {"places": [{"city": "a"}], "other": {"city": "b"}},
        2,
    ),
    "a dict of TypedDict": (by_name, "by_name", {"places"}, {"places": {"x": {"city": "a"}}}, "x"),
    "annotated TypedDict": (annotated, "annotated", {"place"}, {"place": {"city": "a"}}, "a"),
    "keyword only": (keyword_only, "keyword_only", {"a"}, {"a": 4}, 8),
    "models": (modelled, "modelled", {"point", "pair"}, {"point": {"x": 1}, "pair": {"a": 1}}, 3),
    "a partial by name": (functools.partial(plain, b="z"), "plain", {"a"}, {"a": 1}, "1z"),
    "a partial by position": (functools.partial(plain, 7), "plain", {"b"}, {"b": "q"}, "7q"),
    "a partial of a partial": (
        functools.partial(functools.partial(positional, 1), c=9),
        "positional",
        {"b"},
        {"b": 8},
        "1-8-9",
    ),
    "a partial of an object": (
        functools.partial(Weather(), days=3),
        "weather",
        {"city"},
        {"city": "Oslo"},
        "Oslo 3",
    ),
    "a partial of a list": (functools.partial(half, digits=0), "half", {"value"}, {"value": 5}, 2.0),
    "an object": (Weather(), "weather", {"city", "days"}, {"city": "Oslo"}, "Oslo 1"),
    "an object without a hash": (HTTPFetcher([1]), "httpfetcher", {"a"}, {"a": 1}, 2),
    "a method": (Weather().method, "method", {"city"}, {"city": "a"}, "aa"),
    "a class method": (Weather.kind, "kind", {"a"}, {"a": 1}, "Weather1"),
    "a static method": (Weather.fixed, "fixed", {"a"}, {"a": 1}, 1),
    "a cached function": (functools.lru_cache(plain), "plain", {"a", "b"}, {"a": 1, "b": "y"}, "1y"),
    "a wrapped function": (
        functools.wraps(plain)(lambda *a, **k: plain(*a, **k)),
        "plain",
        {"a", "b"},
        {"a": 1, "b": "y"},
        "1y",
    ),
    "a lambda's text": (lambda a="1": a * 2, "<lambda>", {"a"}, {"a": "3"}, "33"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_tool_and_is_called_as_itself(name):
    function, title, parameters, given, result = CASES[name]
    made = definition(function)
    assert made["name"] == title and set(made["input_schema"]["properties"]) == parameters
    assert call(function, given) == result


@pytest.mark.parametrize(("function", "given", "result"), [(later, {"a": 1}, 2), (Later(), {"a": 2}, 6)])
def test_what_is_async_gives_a_coroutine(function, given, result):
    assert definition(function)["input_schema"]["properties"].keys() == {"a"}
    assert asyncio.run(call(function, given)) == result


def test_descriptions_are_those_of_what_is_called():
    assert definition(functools.partial(plain, b="z"))["description"] == "Join them."
    assert definition(Weather())["description"] == "Tells the weather."
    assert definition(plain)["input_schema"]["properties"]["a"]["description"] == "The number."
    assert definition(functools.partial(plain, b="z"))["input_schema"]["required"] == ["a"]


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (plain, {"a": "x"}),
        (positional, {}),
        (town, {"place": {}}),
        (Weather(), {"days": 1}),
        (functools.partial(plain, b="z"), {}),
    ],
)
def test_arguments_that_do_not_fit_are_a_value_error(function, given):
    with pytest.raises(ValueError):
        call(function, given)
