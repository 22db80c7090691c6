"""What `returns` gives: a value of the type, or one clear line; the answer that was paid for is kept either way."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from pydantic import BaseModel, field_validator
from support.world import stage

from claude_jupyter.errors import ReturnsError, UsageError


class Review(BaseModel):
    label: str


class Known(BaseModel):
    label: str

    @field_validator("label")
    @classmethod
    def known(cls, value: str) -> str:
        return {"good": "fine"}[value]


GOOD, ODD = json.dumps({"label": "good"}), json.dumps({"label": "odd"})


def test_a_value_that_does_not_fit_is_told_to_claude_once():
    with stage(["no JSON", GOOD]) as s:
        answer = s.claude.ask("q", returns=Review)
        assert answer.value == Review(label="good") and len(s.bodies) == 2
        assert "not JSON" in str(s.bodies[1]["messages"][-1]["content"])
    with stage(["no JSON", "again none"]) as s:
        with pytest.raises(ReturnsError, match="not JSON"):
            s.claude.ask("q", returns=Review)
        assert len(s.bodies) == 2 and "again none" in s.claude.last.text


def test_whatever_a_type_raises_is_told_as_a_value_that_does_not_fit():
    with stage([ODD, GOOD]) as s:
        assert s.claude.ask("q", returns=Known).value.label == "fine"
        assert "KeyError" in str(s.bodies[1]["messages"][-1]["content"])
    with stage([ODD, ODD]) as s:
        with pytest.raises(ReturnsError, match="KeyError: 'odd'"):
            s.claude.ask("q", returns=Known)
        assert s.view.ended and s.claude.last.text.endswith(ODD)
    with stage(ODD) as s:
        assert s.claude.map(["a"], "{value}", returns=Known) == [None]


@pytest.mark.parametrize("odd", ["[1]", '"text"', "3", '{"columns": ["a"], "rows": [1]}', "[" * 100_000])
def test_what_is_no_table_is_one_clear_line(odd):
    with stage([odd, odd]) as s:
        with pytest.raises(ReturnsError) as caught:
            s.claude.ask("q", returns="dataframe")
        assert "\n" not in str(caught.value) and s.view.ended


class Tree(BaseModel):
    children: list[Tree] = []


class Bag(BaseModel):
    counts: dict[str, int]


def test_a_type_that_the_service_cannot_fill_is_refused_before_anything_is_sent():
    with stage() as s:
        for kind, says in (
            (Tree, "Tree contains itself"),
            (Bag, "named fields"),
            (dict[str, int], "named fields"),
            (list, "list cannot be used as a return type: it does not say what it contains"),
            (object(), "not a value of type object"),
            (pd.DataFrame({"a": [1, 2]}), "not a value of type DataFrame"),
        ):
            with pytest.raises(UsageError, match=says):
                s.claude.ask("q", returns=kind)
        assert not s.server.requests
