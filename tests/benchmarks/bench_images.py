"""What a picture costs: a photo against Pillow's own decode, resize and encode, a figure against `savefig`.

Prints figures, asserts nothing.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from support.figures import figure, median, title

from claude_jupyter.content.figures import render
from claude_jupyter.content.images import convert
from claude_jupyter.content.rules import Rules
from claude_jupyter.models import facts

RUNS = 9


def in_turn(*functions: Callable[[], object]) -> list[float]:
    """Milliseconds each, run in turn so that the machine's other work falls on all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(RUNS):
        for function, taken in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            taken.append((time.perf_counter() - began) * 1000)
    return [median(taken) for taken in times]


def photos() -> None:
    """A 4,000 x 3,000 photo, as a file and as a PIL image, for both tiers of models."""
    title("photo of 4,000 x 3,000")
    grain = Image.frombytes("RGB", (400, 300), random.Random(0).randbytes(400 * 300 * 3))
    photo = grain.resize((4000, 3000), Image.Resampling.BICUBIC)
    for form in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        photo.save(buffer, form, quality=90)
        data = buffer.getvalue()
        for model in ("claude-sonnet-5-5", "claude-haiku-4-5"):
            rules = Rules(model=facts(model))
            size = convert.from_bytes(data, "photo", rules).size
            assert size is not None

            def pillow(data: bytes = data, size: tuple[int, int] = size) -> None:
                Image.open(io.BytesIO(data)).resize(size).save(io.BytesIO(), "JPEG")

            def ours(data: bytes = data, rules: Rules = rules) -> None:
                convert.from_bytes(data, "photo", rules)

            theirs, mine = in_turn(pillow, ours)
            figure(f"{form} to {size[0]} x {size[1]}", mine, "ms", of=theirs, limit=1.3)


def charts() -> dict[str, plt.Figure]:
    """Small and large, few and many artists."""
    rng = np.random.default_rng(0)
    line, ax = plt.subplots()
    ax.plot([1, 2, 3], label="a")
    ax.legend()
    ax.set_title("title")
    grid, axes = plt.subplots(3, 3, figsize=(12, 9))
    for ax in axes.flat:
        ax.plot(rng.random(50))
    grid.tight_layout()
    scatter, ax = plt.subplots(figsize=(8, 6), layout="constrained")
    scatter.colorbar(ax.scatter(*rng.random((2, 20_000)), c=rng.random(20_000)))
    picture, ax = plt.subplots()
    ax.imshow(rng.random((400, 400)))
    return {"a line": line, "9 panels": grid, "20,000 points": scatter, "an image": picture}


def matplotlib_figures() -> None:
    """Against `savefig` to PNG as the user would call it."""
    title("matplotlib figure")
    for name, chart in charts().items():
        chart.savefig(io.BytesIO())
        render.draw(chart, "fig", Rules())

        def savefig(chart: plt.Figure = chart) -> None:
            chart.savefig(io.BytesIO(), format="png")

        def ours(chart: plt.Figure = chart) -> None:
            render.draw(chart, "fig", Rules())

        theirs, mine = in_turn(savefig, ours)
        figure(name, mine, "ms", of=theirs, limit=1.2)


if __name__ == "__main__":
    photos()
    matplotlib_figures()
