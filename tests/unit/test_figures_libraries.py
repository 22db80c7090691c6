"""Charts of every library, and objects that draw themselves, become images; nothing is needed that the user has not imported."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import altair as alt
import bokeh.plotting
import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import plotly.graph_objects as go
import plotnine as p9
import pytest
import seaborn as sns
import seaborn.objects as so
from bokeh.layouts import row
from IPython.display import HTML, SVG
from IPython.display import Image as Shown
from PIL import Image

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.figures import browser, embedded
from claude_jupyter.content.figures import render as figures
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, MissingExtraError

RULES = Rules()
FRAME = pd.DataFrame({"x": range(60), "y": [i % 7 for i in range(60)], "g": list("abc") * 20})


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    yield
    plt.close("all")


def drawn(value: Any) -> Attachment:
    made = figures.draw(value, "chart", RULES)
    assert made is not None and made.kind == "image" and made.size is not None and min(made.size) > 20
    return made


def png(size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue()


def seaborn_charts() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seaborn 0.13 against pandas 3
        return [
            sns.FacetGrid(FRAME, col="g").map(plt.plot, "x", "y"),
            sns.jointplot(FRAME, x="x", y="y"),
            sns.PairGrid(FRAME[["x", "y"]]).map(plt.scatter),
            sns.clustermap(FRAME[["x", "y"]]),
            sns.lineplot(FRAME, x="x", y="y"),
            so.Plot(FRAME, x="x", y="y").add(so.Dot()),
        ]


def test_seaborn() -> None:
    for chart in seaborn_charts():
        drawn(chart)


def test_plotnine_leaves_the_current_figure_alone() -> None:
    mine = plt.figure()
    drawn(p9.ggplot(FRAME, p9.aes("x", "y")) + p9.geom_point())
    assert plt.get_fignums() == [mine.number]
    assert plt.gcf() is mine


def test_pandas_plots() -> None:
    drawn(FRAME.plot())
    drawn(FRAME[["x", "y"]].hist())
    drawn(FRAME.plot(subplots=True, y=["x", "y"]))


def test_altair_with_more_rows_than_it_embeds_by_itself() -> None:
    many = pd.DataFrame({"x": range(6000)})
    chart = alt.Chart(many).mark_tick().encode(x="x")
    drawn(chart)
    drawn(chart | chart)


def test_plotly() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2, 3], y=[1, 3, 2]))
    before = figure.to_json()
    assert drawn(figure).size == (700, 500)
    assert figure.to_json() == before


def test_bokeh_joins_no_document() -> None:
    plot = bokeh.plotting.figure(width=300, height=200)
    plot.line([1, 2], [2, 1])
    assert drawn(plot).size == (300, 200)
    assert plot.document is None
    assert drawn(row(plot)).size == (300, 200)


def test_bokeh_in_a_running_event_loop() -> None:
    import asyncio

    plot = bokeh.plotting.figure(width=200, height=200)
    plot.line([1, 2], [2, 1])

    async def cell() -> None:  # as in a kernel
        drawn(plot)

    asyncio.run(cell())


def test_pillow_ipython_and_widgets() -> None:
    assert drawn(Image.new("RGB", (64, 48))).size == (64, 48)
    assert drawn(Shown(png())).size == (64, 48)
    drawn(SVG("<svg xmlns='http://www.w3.org/2000/svg' width='50' height='20'/>"))
    assert drawn(ipywidgets.Image(value=png())).size == (64, 48)
    for value in (HTML("<b>x</b>"), ipywidgets.IntSlider(), FRAME):
        assert figures.draw(value, "x", RULES) is None


class Png:
    def _repr_png_(self) -> bytes:
        return png()


class PngWithMetadata:
    def _repr_png_(self) -> tuple[str, dict[str, int]]:
        return base64.b64encode(png()).decode(), {"width": 32}


class Jpeg:
    def _repr_png_(self) -> None:
        return None

    def _repr_jpeg_(self) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48)).save(buffer, "JPEG")
        return buffer.getvalue()


class Svg:
    def _repr_svg_(self) -> str:
        return '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"/>'


class Bundle:
    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"text/plain": "x", "image/png": base64.b64encode(png()).decode()}, {}


@pytest.mark.parametrize("kind", [Png, PngWithMetadata, Jpeg, Svg, Bundle])
def test_an_object_that_draws_itself_is_an_image(kind: type) -> None:
    drawn(kind())


def test_a_drawing_method_that_raises_hangs_or_talks_nonsense_leaves_a_text_and_a_note() -> None:
    class Raises:
        def _repr_png_(self) -> bytes:
            raise ValueError("no")

    class Hangs:
        def _repr_png_(self) -> bytes:
            while True:
                time.sleep(0.05)

    class Nonsense:
        def _repr_png_(self) -> str:
            return "no picture"

    class Silent:
        def _repr_png_(self) -> None:
            return None

    for kind, word in (
        (Raises, "raised ValueError"),
        (Hangs, "took longer than 2 s"),
        (Nonsense, "no image"),
    ):
        made = figures.draw(kind(), "x", RULES)
        assert made is not None and made.kind == "text"
        assert any(word in note for note in made.notes)
    assert figures.draw(Silent(), "x", RULES) is None
    assert figures.draw(Png, "x", RULES) is None  # the class is no picture


def test_a_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    for chart in (go.Figure(), alt.Chart(FRAME).mark_point(), bokeh.plotting.figure()):
        with pytest.raises(MissingExtraError, match=r"claude-jupyter\[figures\]") as missing:
            figures.draw(chart, "chart", RULES)
        assert "\n" not in str(missing.value)


def test_a_missing_browser_is_named() -> None:
    class ChromeNotFoundError(Exception):
        pass

    def absent() -> bytes:
        raise RuntimeError("wrapped") from ChromeNotFoundError()

    with pytest.raises(MissingExtraError, match="BROWSER_PATH"):
        browser.run(absent, "chart", "a Plotly figure")


def test_a_chart_that_cannot_be_drawn_is_one_line() -> None:
    broken = alt.Chart(FRAME).mark_point().encode(x="nothing:Q").transform_calculate(a="1 +")
    with pytest.raises(AttachmentError, match="chart could not be drawn") as refused:
        figures.draw(broken, "chart", RULES)
    assert "\n" not in str(refused.value)


def test_charts_are_found_in_the_pages_that_libraries_show() -> None:
    found = embedded.chart_in(alt.Chart(FRAME).mark_point().encode(x="x").to_html())
    assert found is not None and found[0] == "application/vnd.vegalite+json"
    found = embedded.chart_in(go.Figure(go.Bar(y=[1, 2])).to_html(include_plotlyjs="cdn"))
    assert found is not None and found[1]["data"][0]["type"] == "bar"
    for html in ("", "<p>vegaEmbed</p>", "Plotly.newPlot('a', [1, ", "})({"):
        assert embedded.chart_in(html) is None
    assert embedded.bokeh_page("const docs_json = {}; const render_items = [];", "") is None


def test_nothing_is_imported_that_the_user_has_not() -> None:
    code = (
        "import sys\n"
        "from claude_jupyter.content.figures import render\n"
        "from claude_jupyter.content.rules import Rules\n"
        "assert render.draw([1, object()], 'x', Rules()) is None\n"
        "print([n for n in ('matplotlib', 'PIL', 'plotly', 'altair', 'bokeh', 'numpy', 'pandas', 'IPython') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
