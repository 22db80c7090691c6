"""Images fit the API's own size rule, so that the service never shrinks what was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_jupyter.content.images import sizes
from claude_jupyter.models import facts
from claude_jupyter.providers import named

STANDARD, HIGH = (1568, 1568), (2576, 4784)


@pytest.mark.parametrize(
    ("size", "tier", "fitted", "tokens"),
    [
        ((1920, 1080), STANDARD, (1456, 819), 1560),
        ((3840, 2160), HIGH, (2576, 1449), 4784),
        ((1075, 1520), STANDARD, (924, 1307), 1551),
        ((1000, 1000), STANDARD, (1000, 1000), 1296),
        ((1000, 1000), HIGH, (1000, 1000), 1296),
        ((1, 1), HIGH, (1, 1), 1),
    ],
)
def test_the_documented_examples(
    size: tuple[int, int], tier: tuple[int, int], fitted: tuple[int, int], tokens: int
) -> None:
    assert sizes.fit(*size, *tier) == fitted
    assert sizes.tokens(*fitted) == tokens


@given(
    st.integers(1, 60_000),
    st.integers(1, 60_000),
    st.sampled_from([STANDARD, HIGH]),
    st.sampled_from([8000, 2000]),
)
def test_what_is_fitted_is_left_alone_by_the_api_and_is_no_larger_and_no_smaller_than_need_be(
    width: int, height: int, tier: tuple[int, int], side: int
) -> None:
    w, h = sizes.fit(width, height, *tier, side)
    assert sizes.fits(w, h, *tier, side)
    assert 1 <= w <= width and 1 <= h <= height
    assert sizes.fit(w, h, *tier, side) == (w, h)
    if (w, h) != (width, height):
        long, short, scale = max(width, height), min(width, height), (max(w, h) + 1) / max(width, height)
        larger = (round(long * scale), max(1, round(short * scale)))
        assert not sizes.fits(*larger, *tier, side)
        exact = short * max(w, h) / long
        assert abs(min(w, h) - max(exact, 1)) <= 0.5  # the shape is kept


def test_the_model_decides_and_so_does_the_number_of_images() -> None:
    assert sizes.fit_model(4000, 2250, facts("claude-haiku-4-5")) == (1456, 819)
    assert sizes.fit_model(4000, 2250, facts("claude-sonnet-5-5")) == (2576, 1449)
    assert sizes.fit_model(4000, 2250, facts("claude-sonnet-5-5"), images=20) == (2576, 1449)
    assert sizes.fit_model(4000, 2250, facts("claude-sonnet-5-5"), images=21) == (2000, 1125)


def test_clouds_take_half_the_bytes() -> None:
    assert named("bedrock").image_bytes == named("vertex").image_bytes == 5_000_000
    assert named("anthropic").image_bytes == 10_000_000
