"""Whatever a frame holds, it is profiled: no dtype or shape fails, goes over its tokens or comes out differently the second time."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from claude_jupyter.content import attach
from claude_jupyter.content.rules import Rules


def check(frame: Any, rules: Rules) -> None:
    (shown,) = attach(frame, "df", rules)
    said = shown.blocks[0]["text"]
    assert "could not be profiled" not in said and "failed" not in said
    assert shown.tokens <= rules.frame_tokens * (10 if rules.rows == "all" else 1)
    assert attach(frame, "df", rules) == (shown,)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    dataframes(max_cols=8, max_size=20, allow_null=True),
    st.sampled_from(["10", "none", "all"]),
    st.sampled_from([100, 400, 2000]),
)
def test_any_frame_is_profiled(frame: pl.DataFrame, rows: str, limit: int) -> None:
    rules = Rules(rows=rows, frame_tokens=limit)
    check(frame, rules)
    check(frame.lazy(), rules)
