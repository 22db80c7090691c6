"""Figures of six libraries with the values that were drawn, and what is asked of them: known without reading the figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from support.figure_reader import Read

R = np.random.default_rng(7)
MONTHS = pd.date_range("2020-01-01", periods=12, freq="MS")
DAYS = pd.date_range("2021-03-01", periods=10, freq="D")
TIPS = pd.DataFrame(
    {"day": ["Thu", "Fri", "Sat", "Sun"] * 2, "sex": ["F"] * 4 + ["M"] * 4, "tip": R.uniform(1, 9, 8).round(2), "bill": R.uniform(9, 50, 8)}
)  # fmt: skip
Expected = dict[str, list[float]]
Case = Callable[[], tuple[Any, Expected]]


def axes() -> Any:
    from matplotlib import pyplot as plt

    return plt.subplots()[1]


def lines(count: int, length: int = 6) -> tuple[Any, Expected]:
    ax, expected = axes(), {}
    for i in range(count):
        y = R.normal(100, 30, length)
        ax.plot(range(length), y, label=f"s{i}")
        expected[f"s{i}"] = y.tolist()
    ax.legend()
    return ax.figure, expected


def _drawn(draw: Callable[[Any], Any], **expected: Any) -> tuple[Any, Expected]:
    ax = axes()
    draw(ax)
    return ax.figure, {name: list(map(float, values)) for name, values in expected.items()}


def _seaborn(name: str, label: str = "", **words: Any) -> Any:
    import seaborn as sns

    return getattr(sns, name)(TIPS, ax=axes(), **words).figure


def _by(column: str, how: str) -> list[float]:
    return TIPS.groupby(column, sort=False)["tip"].agg(how).tolist()


def _plotly(make: str, **words: Any) -> Any:
    import plotly.express as px

    return getattr(px, make)(TIPS, **words)


def _altair(mark: str, **channels: str) -> Any:
    import altair

    return getattr(altair.Chart(TIPS), f"mark_{mark}")().encode(**channels)


def _bokeh(draw: Callable[[Any], Any]) -> Any:
    from bokeh.plotting import figure

    plot = figure(title="B", x_axis_label="x", y_axis_label="y")
    draw(plot)
    return plot


def plotnine_plot(geom: str, **words: str) -> Any:
    import plotnine

    return plotnine.ggplot(TIPS, plotnine.aes(**words)) + getattr(plotnine, geom)()


def _histogram() -> tuple[Any, Expected]:
    data = R.normal(size=200)
    return _drawn(lambda ax: ax.hist(data, bins=8), **{"": np.histogram(data, bins=8)[0]})


def dated_lines(count: int) -> tuple[Any, Expected]:
    ax, expected = axes(), {}
    for i in range(count):
        y = R.normal(1, 0.3, 12)
        ax.plot(MONTHS, y, label=f"region {i}")
        expected[f"region {i}"] = y.tolist()
    ax.set(title="Rain", xlabel="month", ylabel="rain (m)")
    ax.legend()
    return ax.figure, expected


def _plotly_lines(count: int, length: int) -> tuple[Any, Expected]:
    from plotly.graph_objects import Figure, Scatter

    expected = {f"s{i}": R.normal(1e4, 3e3, length).tolist() for i in range(count)}
    return Figure([Scatter(x=list(range(length)), y=y, name=name) for name, y in expected.items()]), expected


Y = [3.25, 1.5, 12345678.9]
W = R.normal(size=40).tolist()
FIGURES: dict[str, Case] = {
    **{f"lines {n}": (lambda n=n: lines(n)) for n in (1, 2, 3, 4, 5, 6, 7, 8)},
    "line dates": lambda: _drawn(lambda ax: ax.plot(MONTHS, range(12)), **{"": range(12)}),
    "line days": lambda: _drawn(lambda ax: ax.plot(DAYS, np.arange(10) / 3), **{"": np.arange(10) / 3}),
    "line exact": lambda: _drawn(lambda ax: ax.plot([1, 5, 9], Y), **{"": Y}),
    "line log": lambda: _drawn(lambda ax: ax.loglog([1, 10, 100], [2, 20, 200], label="q"), q=[2, 20, 200]),
    "points": lambda: _drawn(lambda ax: ax.plot([1, 2, 4], Y, "o", label="q"), q=Y),
    "bar": lambda: _drawn(lambda ax: ax.bar(["a", "b", "c"], Y, label="q"), q=Y),
    "barh": lambda: _drawn(lambda ax: ax.barh(["a", "b", "c"], Y, label="q"), q=Y),
    "stacked": lambda: _drawn(
        lambda ax: (ax.bar(["a", "b"], [1, 2], label="p"), ax.bar(["a", "b"], [3, 4], bottom=[1, 2], label="q")),
        p=[1, 2], q=[3, 4],
    ),
    "scatter": lambda: _drawn(lambda ax: ax.scatter([5, 1, 3], Y, label="q"), q=Y),
    "histogram": _histogram,
    "errorbar": lambda: _drawn(lambda ax: ax.errorbar([1, 2, 4], Y, yerr=1, label="q"), q=Y),
    "stem": lambda: _drawn(lambda ax: ax.stem([1, 2, 4], Y, label="q"), q=Y),
    "area": lambda: _drawn(lambda ax: ax.fill_between([1, 2, 4], [0, 0, 0], [5, 7, 6], label="q"), q=[5, 7, 6]),
    "step": lambda: _drawn(lambda ax: ax.step([1, 2, 4], Y, label="q"), q=Y),
    "stairs": lambda: _drawn(lambda ax: ax.stairs([4, 5, 6], [0, 1, 2, 3], label="q"), q=[4, 5, 6]),
    "pie": lambda: _drawn(lambda ax: ax.pie([1, 1, 2], labels=["a", "b", "c"]), **{"": [0.25, 0.25, 0.5]}),
    "heatmap": lambda: _drawn(lambda ax: ax.imshow([[1, 2], [3, 4]]), **{"": [1, 2, 3, 4]}),
    "pandas line": lambda: _drawn(lambda ax: TIPS["tip"].plot(ax=ax), tip=TIPS["tip"]),
    "pandas bar": lambda: _drawn(lambda ax: TIPS.groupby("day")["tip"].sum().plot.bar(ax=ax, label="q"),
                                 q=TIPS.groupby("day")["tip"].sum()),
    "pandas months": lambda: _drawn(lambda ax: pd.Series(range(12), MONTHS).plot(ax=ax, label="q"), q=range(12)),
    "seaborn bar": lambda: (_seaborn("barplot", x="day", y="tip", errorbar=None), {"": _by("day", "mean")}),
    "seaborn line": lambda: (_seaborn("lineplot", x="bill", y="tip"), {"": TIPS.sort_values("bill")["tip"].tolist()}),
    "seaborn hue": lambda: (_seaborn("scatterplot", x="bill", y="tip", hue="sex"),
                            {"F": TIPS["tip"][:4].tolist(), "M": TIPS["tip"][4:].tolist()}),
    "seaborn heat": lambda: (_heat(), {"": [0, 1, 2, 3, 4, 5]}),
    "plotly line": lambda: (_plotly("line", x="day", y="tip", color="sex"),
                            {"F": TIPS["tip"][:4].tolist(), "M": TIPS["tip"][4:].tolist()}),
    "plotly bar": lambda: (_plotly("bar", x="day", y="tip"), {"": TIPS["tip"].tolist()}),
    "plotly pie": lambda: (_plotly("pie", names="day", values="tip"), {"": TIPS["tip"].tolist()}),
    "altair line": lambda: (_altair("line", x="bill", y="tip", color="sex"),
                            {"F": TIPS["tip"][:4].tolist(), "M": TIPS["tip"][4:].tolist()}),
    "altair mean": lambda: (_altair("bar", x="day", y="mean(tip)"), {"": _by("day", "mean")}),
    "bokeh line": lambda: (_bokeh(lambda f: f.line([1, 2, 4], Y, legend_label="q")), {"q": Y}),
    **{f"months of {n} lines": (lambda n=n: dated_lines(n)) for n in (2, 5, 8)},
    "scatter with colors": lambda: _drawn(lambda ax: ax.scatter(range(40), W, c=range(40)), **{"": W}),
    "seaborn lines by hue": lambda: (
        _seaborn("lineplot", x="bill", y="tip", hue="sex"),
        {sex: part.sort_values("bill")["tip"].tolist() for sex, part in TIPS.groupby("sex")},
    ),
    "plotly 8 lines": lambda: _plotly_lines(8, 10),
    "plotly scatter": lambda: (_plotly("scatter", x="bill", y="tip"), {"": TIPS["tip"].tolist()}),
    "altair bars": lambda: (_altair("bar", x="sex", y="sum(bill)"), {"": TIPS.groupby("sex", sort=False)["bill"].sum().tolist()}),
    "bokeh points": lambda: (_bokeh(lambda f: f.scatter([1, 2, 4], Y, legend_label="q")), {"q": Y}),
    "plotnine line": lambda: (plotnine_plot("geom_line", x="bill", y="tip"), {"": TIPS.sort_values("bill")["tip"].tolist()}),
    "plotnine points": lambda: (plotnine_plot("geom_point", x="bill", y="tip"), {"": TIPS["tip"].tolist()}),
    "bokeh bars": lambda: (_bokeh(lambda f: f.vbar(x=[1, 2, 3], top=Y)), {"": Y}),
}  # fmt: skip


def _heat() -> Any:
    import seaborn as sns

    return sns.heatmap(np.arange(6).reshape(2, 3), ax=axes()).figure


@dataclass(frozen=True)
class FigureQuestion:
    """One question on a figure: how many series, or of the series `label` the `fact` (`largest`, `last`, `mean`)."""

    figure: str
    text: str
    answer: float
    fact: str
    label: str = ""


def questions(figure: str, drawn: Expected) -> Iterator[FigureQuestion]:
    """What is asked of a figure with these series."""
    yield FigureQuestion(figure, "How many series are drawn?", len(drawn), "count")
    label, values = max(drawn.items(), key=lambda item: item[0])
    for fact, answer in (("largest", max(values)), ("last", values[-1]), ("mean", sum(values) / len(values))):
        yield FigureQuestion(
            figure, f"What is the {fact} value of {label or 'what is drawn'}?", answer, fact, label
        )


def answered(question: FigureQuestion, series: list[Read]) -> float | None:
    """The answer of somebody who has only what was read in the text."""
    if question.fact == "count":
        return len(series)
    values = next(
        ([float(y) for y in one.y] for one in series if one.label == question.label and one.y), None
    )
    if values is None:
        return None
    return {"largest": max(values), "last": values[-1], "mean": sum(values) / len(values)}[question.fact]


def to_three_digits(value: float | None, answer: float) -> bool:
    """Whether a value was recovered to three significant digits."""
    return value is not None and abs(value - answer) <= 5e-3 * abs(answer) + 1e-12
