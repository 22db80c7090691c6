"""A matplotlib figure is shown as the notebook shows it, and is afterwards what it was."""

from __future__ import annotations

import base64
import io
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.figures import render
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError
from claude_jupyter.models import facts

RULES = Rules()


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    yield
    plt.close("all")


def drawn(value: Any, rules: Rules = RULES) -> Attachment:
    made = render.draw(value, "fig", rules)
    assert made is not None and made.kind == "image"
    return made


def pixels(made: Attachment) -> Image.Image:
    source = made.blocks[1]["source"]
    assert source["media_type"] == "image/png"
    return Image.open(io.BytesIO(base64.b64decode(source["data"]))).convert("RGB")


def as_inline(figure: Any) -> tuple[int, int]:
    """The size of what the inline backend would show."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=figure.dpi)
    return Image.open(buffer).size


def test_it_looks_as_in_the_notebook_with_what_stands_outside_the_axes() -> None:
    figure, ax = plt.subplots()
    ax.plot([1, 2, 3], label="a legend that stands far outside")
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    made = drawn(figure)
    assert made.size == pytest.approx(as_inline(figure), abs=14)
    assert made.size is not None and made.size[0] > 640


def state(figure: Any) -> dict[str, Any]:
    axes = figure.axes
    return {
        "dpi": figure.dpi,
        "size": tuple(figure.get_size_inches()),
        "canvas": figure.canvas,
        "manager": figure.canvas.manager,
        "faces": (figure.get_facecolor(), figure.get_edgecolor(), figure.patch.get_alpha()),
        "patch": figure.patch.get_bbox().bounds,
        "layout": figure.get_layout_engine(),
        "stale": (figure.stale, [ax.stale for ax in axes]),
        "callbacks": [ax.stale_callback for ax in axes],
        "places": [ax.get_position().bounds for ax in axes],
        "margins": vars(figure.subplotpars).copy(),
        "limits": [(ax.get_xlim(), ax.get_ylim()) for ax in axes],
        "current": (plt.get_fignums(), plt.gcf().number),
        "backend": mpl.get_backend(),
        "rc": dict(mpl.rcParams),
        "locators": [ax.get_axes_locator() for ax in axes],
    }


@pytest.mark.parametrize("layout", ["none", "constrained", "tight", "compressed"])
@pytest.mark.parametrize(
    "settings", [{}, {"savefig.bbox": "tight", "savefig.facecolor": "red", "savefig.dpi": 300}]
)
def test_drawing_changes_nothing_of_the_figure(layout: str, settings: dict[str, Any]) -> None:
    with mpl.rc_context(settings):
        figure, axes = plt.subplots(2, 2, figsize=(5, 4), dpi=77, facecolor="#ffeeee", layout=layout)
        axes[0, 0].imshow(np.eye(4))
        figure.colorbar(axes[0, 0].images[0], ax=axes[0, 0])
        axes[0, 1].set_title("title")
        figure.suptitle("all of it")
        plt.figure()  # another one is current
        before = state(figure)
        first = drawn(figure)
        assert state(figure) == before
        assert drawn(figure) == first  # the same picture, the same bytes
        assert pixels(first).getpixel((3, 3)) == (0xFF, 0xEE, 0xEE)


def test_a_figure_that_waits_for_a_repaint_still_waits() -> None:
    figure, ax = plt.subplots()
    figure.canvas.draw()
    ax.plot([1, 2])
    assert figure.stale
    drawn(figure)
    assert figure.stale
    figure.canvas.draw()
    drawn(figure)
    assert not figure.stale


def test_a_closed_figure_is_still_drawn_and_stays_closed() -> None:
    figure, ax = plt.subplots()
    ax.plot([1, 2])
    plt.close(figure)
    drawn(figure)
    assert plt.get_fignums() == []
    loaded = pickle.loads(pickle.dumps(figure))
    drawn(loaded)


def test_every_handle_on_a_figure_draws_it() -> None:
    figure, axes = plt.subplots(1, 2)
    lines = axes[0].plot([1, 2])
    bars = axes[1].bar([1, 2], [3, 4])
    box = axes[0].boxplot([1, 2, 3])
    expected = pixels(drawn(figure)).tobytes()
    for handle in (
        axes,
        list(axes),
        lines,
        lines[0],
        bars,
        box,
        figure.canvas,
        axes[0].xaxis,
        plt,
        [lines, bars],
    ):
        assert pixels(drawn(handle)).tobytes() == expected, handle
    outer = plt.figure(layout="constrained")
    sub = outer.subfigures(1, 2)[0]
    sub.subplots().plot([1, 2])
    assert pixels(drawn(sub)).tobytes() == pixels(drawn(outer)).tobytes()


def test_a_panel_is_named_among_its_figure() -> None:
    figure, axes = plt.subplots(1, 3)
    axes[1].set_title("Profit")
    text = drawn(axes[1]).blocks[0]["text"]
    assert "panel 2 of 3 (“Profit”)" in text
    assert "panel" not in drawn(figure).blocks[0]["text"]
    assert "panel" not in drawn(plt.subplots()[1]).blocks[0]["text"]


def test_what_is_no_figure_is_none() -> None:
    two = [plt.subplots()[1], plt.subplots()[1]]
    for value in ([], {}, (), 1, None, "text", two, [two[0], 1], np.zeros(3), object(), plt.Line2D([0], [1])):
        assert render.draw(value, "x", RULES) is None


@pytest.mark.parametrize(
    ("size", "dpi", "sent"),
    [((6.4, 4.8), 72, 640), ((6.4, 4.8), 300, 960), ((60, 20), 100, 2576), ((3, 2), 100, 300)],
)
def test_the_size_is_readable_and_never_more_than_the_model_takes(
    size: tuple[float, float], dpi: int, sent: int
) -> None:
    figure = plt.figure(figsize=size, dpi=dpi)
    made = drawn(figure)
    assert made.size is not None and made.size[0] == pytest.approx(sent, abs=2)
    assert drawn(figure, Rules(model=facts("claude-haiku-4-5"))).tokens < 1700


def test_transparent_figures_stand_on_white_and_empty_ones_are_shown_empty() -> None:
    figure, ax = plt.subplots(facecolor="none")
    ax.patch.set_alpha(0)
    ax.plot([1, 2])
    assert pixels(drawn(figure)).getpixel((2, 2)) == (255, 255, 255)
    assert drawn(plt.figure()).size == (640, 480)


def test_a_figure_that_cannot_be_drawn_is_one_clear_line() -> None:
    figure, ax = plt.subplots()
    ax.set_title("$\\frac{x$")
    before = state(figure)
    with pytest.raises(AttachmentError, match="fig could not be drawn") as refused:
        drawn(figure)
    assert "\n" not in str(refused.value)
    assert state(figure) == before


def test_threads_may_draw_at_the_same_time() -> None:
    made = [plt.subplots()[0] for _ in range(4)]
    for n, figure in enumerate(made):
        figure.axes[0].plot(range(n + 2))
    alone = [drawn(figure) for figure in made]
    together: list[Any] = [None] * 4

    def work(n: int) -> None:
        together[n] = drawn(made[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
