"""Reads the data of matplotlib figures (and seaborn's and plotnine's) from their artists, without changing or drawing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from claude_jupyter.content.figures.data.series import FigureData, Panel, Series

_MOST_PANELS = 12
_MOST_TEXTS = 6
_MOST_CHAINS = 20
_MOST_COLORED = 20_000
_LOOKED_AT = 1_000
"""About how many values of a series are looked at to tell what they are."""


def from_matplotlib(figure: Any, library: str = "matplotlib") -> FigureData:
    """The panels of a figure with all that is drawn in them; a colorbar's axes are no panel."""
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    title = figure._suptitle.get_text() if getattr(figure, "_suptitle", None) is not None else ""
    return FigureData(library, title, tuple(_panel(ax) for ax in panels[:_MOST_PANELS]))


def _panel(ax: Any) -> Panel:
    legend = ax.get_legend()
    texts = [t.get_text().strip() for t in ax.texts if t.get_text().strip()]
    return Panel(
        title=ax.get_title() or ax.get_title(loc="left") or ax.get_title(loc="right"),
        x_label=ax.get_xlabel(),
        y_label=ax.get_ylabel(),
        x_scale=_scale(ax.xaxis, ax.get_xscale()),
        y_scale=_scale(ax.yaxis, ax.get_yscale()),
        x_limits=_limits(ax.xaxis, ax.get_xlim()),
        y_limits=_limits(ax.yaxis, ax.get_ylim()),
        legend=legend.get_title().get_text() if legend is not None else "",
        series=tuple(_drawn(ax)),
        notes=(f"texts: {'; '.join(texts[:_MOST_TEXTS])}",) if texts else (),
    )


def _is_date(axis: Any) -> bool:
    converter = axis.get_converter() if hasattr(axis, "get_converter") else axis.converter
    return (
        any("Date" in type(part).__name__ for part in (converter, axis.get_major_locator()))
        or _period(axis) is not None
    )


def _period(axis: Any) -> Any:
    """The frequency of an axis on which pandas places periods by their ordinals, as it does for time series."""
    return getattr(axis, "freq", None) or getattr(axis.axes, "freq", None) if axis.axis_name == "x" else None


def _scale(axis: Any, scale: str) -> str:
    return "date" if _is_date(axis) else scale


def _limits(axis: Any, limits: Sequence[float]) -> tuple[Any, Any] | None:
    if _categories(axis):
        return None
    low, high = (float(v) for v in limits)
    if _is_date(axis):
        first, last = _dates(axis, [low, high])
        return first, last
    return float(f"{low:.4g}"), float(f"{high:.4g}")


def _dates(axis: Any, values: Iterable[float]) -> list[Any]:
    if (freq := _period(axis)) is not None:
        import pandas

        return [str(pandas.Period(ordinal=round(v), freq=freq)) for v in values]
    from matplotlib.dates import num2date

    return [num2date(v).replace(tzinfo=None) for v in values]


def _categories(axis: Any) -> list[str]:
    """The names of a categorical axis by position, also where they were set as tick labels at 0, 1, 2, …"""
    mapping = getattr(getattr(axis, "units", None), "_mapping", None)
    if mapping:
        return [str(name) for name in mapping]
    ticks, names = list(getattr(axis.get_major_locator(), "locs", ())), _tick_names(axis)
    if names and len(ticks) == len(names) and [round(float(t), 6) for t in ticks] == list(range(len(ticks))):
        return names
    return []


def _tick_names(axis: Any) -> list[str]:
    formatter = axis.get_major_formatter()
    if type(formatter).__name__ == "FixedFormatter":
        return [str(name) for name in formatter.seq]
    by_place = getattr(getattr(formatter, "func", None), "args", ())  # what `set_ticklabels` makes
    return [str(name) for name in by_place[0].values()] if by_place and isinstance(by_place[0], dict) else []


@dataclass(frozen=True, slots=True)
class _Places(Sequence[Any]):
    """Positions on an axis as what they stand for, converted when one is asked for: of a long series few are."""

    values: Sequence[Any]
    convert: Callable[[Any], Any]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: Any) -> Any:
        return self.convert(_plain(self.values[at]))


def _along(axis: Any, values: Sequence[Any]) -> Sequence[Any]:
    """Positions on an axis as what they stand for: categories, dates or numbers."""
    some = [_plain(values[i]) for i in range(0, len(values), max(len(values) // _LOOKED_AT, 1))]
    if not some or not all(isinstance(v, int | float) for v in some):
        return values
    names = _categories(axis)
    if names and all(v == v and abs(v - round(v)) < 0.01 and 0 <= round(v) < len(names) for v in some):
        return _Places(values, partial(_category, names))
    return _Places(values, partial(_date, axis)) if _is_date(axis) else values


def _category(names: Sequence[str], value: float) -> str:
    return names[round(value)]


def _date(axis: Any, value: float) -> Any:
    return _dates(axis, [value])[0]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _label(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label


def _drawn(ax: Any) -> Iterator[Series]:
    names, colors = _legend_names(ax), _legend_colors(ax)
    in_containers: set[int] = set()
    for number, container in enumerate(ax.containers):
        parts = list(container.get_children()) if hasattr(container, "get_children") else []
        in_containers.update(map(id, parts))
        if hasattr(container, "markerline"):
            in_containers.add(id(container.markerline))
        yield from _container(ax, container, names[number] if number < len(names) else "")
    lines = [line for line in ax.lines if id(line) not in in_containers and len(line.get_xdata(orig=False))]
    boxes = _boxes(ax, lines)
    if boxes is not None:
        yield boxes
    else:
        for line in lines:
            kind = "line" if line.get_linestyle() not in ("None", "", " ") else "points"
            yield _line(ax, line, kind, _label(line) or colors.get(_rgb(line.get_color()), ""))
    loose = [p for p in ax.patches if id(p) not in in_containers]
    yield from _patches(ax, loose)
    for collection in ax.collections:
        if id(collection) not in in_containers:
            yield from _collection(ax, collection)
    for image in ax.images:
        yield _grid(image.get_array(), "image", _label(image))


def _legend_names(ax: Any) -> list[str]:
    legend = ax.get_legend()
    return [t.get_text() for t in legend.get_texts()] if legend is not None else []


def _line(ax: Any, line: Any, kind: str, label: str) -> Series:
    x, y = line.get_xdata(orig=True), line.get_ydata(orig=True)
    xs, ys = _along(ax.xaxis, _listed(x)), _along(ax.yaxis, _listed(y))
    return Series(kind, label, ys, xs)


def _listed(values: Any) -> Sequence[Any]:
    if hasattr(values, "filled"):
        values = values.filled(float("nan"))
    if getattr(values, "ndim", 1) > 1:
        values = values.ravel()
    if hasattr(values, "iloc"):  # a series of pandas: by place, not by its index
        values = values.to_numpy()
    return values if hasattr(values, "__len__") else [values]


def _container(ax: Any, container: Any, name: str) -> Iterator[Series]:
    """What several artists draw together: bars, boxes, error bars, stems."""
    kind = type(container).__name__
    if kind == "BarContainer":
        yield _bars(ax, container, name)
    elif kind == "BoxPlotContainer":
        boxes = _boxes(ax, [*container.medians, *container.whiskers, *container.caps], container.boxes)
        if boxes is not None:
            yield boxes
    elif kind == "ErrorbarContainer" and container.lines[0] is not None:
        yield _line(ax, container.lines[0], "error bars", _label(container))
    elif kind == "StemContainer":
        yield _line(ax, container.markerline, "stem", _label(container))


def _bars(ax: Any, bars: Any, name: str = "") -> Series:
    label = _label(bars) or name
    patches = list(bars.patches)
    upright = getattr(bars, "orientation", None) != "horizontal"
    # Of each bar: where it is and how wide it is along its axis, where it begins and how long it is across.
    spans = [
        (p.get_x(), p.get_width(), p.get_y(), p.get_height())
        if upright
        else (p.get_y(), p.get_height(), p.get_x(), p.get_width())
        for p in patches
    ]
    sizes = [size for *_, size in spans]
    if upright and _touching(patches) and len(patches) > 1 and not _categories(ax.xaxis):
        edges = [p.get_x() for p in patches] + [patches[-1].get_x() + patches[-1].get_width()]
        return Series("histogram", label, sizes, _along(ax.xaxis, edges))
    axis = ax.xaxis if upright else ax.yaxis
    where = [place + width / 2 for place, width, *_ in spans]
    near = [round(w) for w in where]
    names = _categories(axis)
    if names and all(0 <= n < len(names) for n in near):
        where = near  # grouped bars are beside their category
    extra = "stacked" if any(abs(start) > 1e-12 for *_, start, _ in spans) else ""
    return Series("bar" if upright else "horizontal bar", label, sizes, _along(axis, where), extra)


def _touching(patches: Sequence[Any]) -> bool:
    ends = [(p.get_x(), p.get_x() + p.get_width()) for p in patches]
    wide = max((abs(b - a) for a, b in ends), default=0)
    return all(
        abs(ends[i][1] - ends[i + 1][0]) <= 1e-6 * max(wide, 1e-300) + 1e-12 for i in range(len(ends) - 1)
    )


def _boxes(ax: Any, lines: Sequence[Any], boxes: Sequence[Any] = ()) -> Series | None:
    """Box plots, told by their five lines or more a box: five numbers each."""
    flat = [line for line in lines if _is_level(line)]
    boxes = boxes or [p for p in ax.patches if type(p).__name__ == "PathPatch"]
    boxes = boxes or [line for line in lines if len(line.get_xdata(orig=False)) == 5]
    if not boxes or len(flat) < len(boxes) or len(lines) < 3 * len(boxes):
        return None
    summaries: list[tuple[float, str]] = []
    for box in boxes:
        corners = box.get_path().vertices
        left, low = corners[:, :2].min(axis=0)
        right, high = corners[:, :2].max(axis=0)
        inside = [line for line in lines if left <= sum(line.get_xdata(orig=False)[:2]) / 2 <= right]
        heights = sorted(float(y) for line in inside for y in line.get_ydata(orig=False)[:2])
        medians = [
            float(f.get_ydata(orig=False)[0])
            for f in flat
            if f in inside and low <= f.get_ydata(orig=False)[0] <= high
        ]
        median = medians[len(medians) // 2] if medians else (low + high) / 2
        numbers = (min(heights, default=low), low, median, high, max(heights, default=high))
        summaries.append(((left + right) / 2, " ".join(f"{float(n):.4g}" for n in numbers)))
    xs = _along(ax.xaxis, [round(float(x), 6) for x, _ in summaries])
    return Series("box (low, quartile, median, quartile, high)", "", [text for _, text in summaries], xs)


def _is_level(line: Any) -> bool:
    y = line.get_ydata(orig=False)
    return len(y) == 2 and y[0] == y[1]


def _patches(ax: Any, patches: Sequence[Any]) -> Iterator[Series]:
    wedges = [p for p in patches if type(p).__name__ == "Wedge"]
    if wedges:
        shares = [(w.theta2 - w.theta1) / 360 for w in wedges]
        names = [w.get_label() if not str(w.get_label()).startswith("_") else "" for w in wedges]
        names = names if any(names) else [t.get_text() for t in ax.texts][: len(wedges)]
        yield Series("pie (shares)", "", [float(f"{s:.6g}") for s in shares], names)
    for patch in patches:
        if type(patch).__name__ == "StepPatch":
            values, edges, _ = patch.get_data()
            yield Series("histogram", _label(patch), _listed(values), _along(ax.xaxis, _listed(edges)))
        elif type(patch).__name__ == "Polygon" and len(patch.get_xy()) > 4:
            points = patch.get_xy()
            yield Series(
                "outline", _label(patch), _listed(points[:, 1]), _along(ax.xaxis, _listed(points[:, 0]))
            )


def _collection(ax: Any, collection: Any) -> Iterator[Series]:
    kind, label = type(collection).__name__, _label(collection)
    if kind == "PathCollection":
        yield from _scatter(ax, collection, label, _legend_colors(ax))
    elif kind == "QuadMesh":
        yield _grid(collection.get_array(), "heatmap", label)
    elif kind in ("PolyCollection", "FillBetweenPolyCollection"):
        paths = collection.get_paths()
        if paths and collection.get_array() is None:
            points = paths[0].vertices
            half = (len(points) - 1) // 2
            bottom, top = points[1 : half + 1], points[half + 1 : -1][::-1]
            if len(bottom) and len(top):
                size = min(len(bottom), len(top))
                yield Series(
                    "area (upper edge)",
                    label,
                    _listed(_upper(bottom, top, size)),
                    _along(ax.xaxis, _listed(bottom[:size, 0])),
                )
    elif kind == "LineCollection":
        for points in _chains(collection.get_segments())[:_MOST_CHAINS]:
            yield Series("line", label, [y for _, y in points], _along(ax.xaxis, [x for x, _ in points]))
    elif kind in ("QuadContourSet", "TriContourSet"):
        yield Series("contour", label, [float(level) for level in collection.levels], extra="levels")


def _chains(segments: Sequence[Any]) -> list[list[tuple[float, float]]]:
    """Segments as lines; one that begins where the last one ended continues with it."""
    chains: list[list[tuple[float, float]]] = []
    for segment in segments:
        points = [(float(x), float(y)) for x, y in segment]
        if chains and points and chains[-1][-1] == points[0]:
            chains[-1].extend(points[1:])
        elif points:
            chains.append(points)
    return chains


def _scatter(
    ax: Any, collection: Any, label: str, names: Mapping[tuple[float, ...], str]
) -> Iterator[Series]:
    """Points; those of several colors that a legend names are a series each."""
    offsets, colors = collection.get_offsets(), collection.get_array()
    xs, ys = _along(ax.xaxis, _listed(offsets[:, 0])), _along(ax.yaxis, _listed(offsets[:, 1]))
    faces = collection.get_facecolors() if len(offsets) <= _MOST_COLORED else ()
    groups = [tuple(round(float(v), 3) for v in color[:3]) for color in faces]
    if len(groups) == len(xs) > 1 and 1 < len(set(groups)) <= 12 and set(groups) <= set(names):
        for color in dict.fromkeys(groups):
            chosen = [i for i, other in enumerate(groups) if other == color]
            yield Series("scatter", names[color], [ys[i] for i in chosen], [xs[i] for i in chosen])
        return
    extra = ""
    if colors is not None and len(colors):
        bar = getattr(collection, "colorbar", None)
        means = bar.ax.get_ylabel() or bar.ax.get_xlabel() if bar is not None else ""
        extra = (
            f"color{f' “{means}”' if means else ''} {float(colors.min()):.4g} to {float(colors.max()):.4g}"
        )
    yield Series("scatter", label, ys, xs, extra)


def _legend_colors(ax: Any) -> dict[tuple[float, ...], str]:
    legend = ax.get_legend()
    if legend is None:
        return {}
    colors: dict[tuple[float, ...], str] = {}
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=False):
        read = next(
            (
                getattr(handle, n)
                for n in ("get_markerfacecolor", "get_facecolor", "get_color")
                if hasattr(handle, n)
            ),
            None,
        )
        if rgb := _rgb(read() if read is not None else None):
            colors[rgb] = text.get_text()
    return colors


def _rgb(color: Any) -> tuple[float, ...]:
    """A color as far as it tells series apart; empty if it is none."""
    from matplotlib.colors import to_rgb

    try:
        rgb = to_rgb(color[0] if getattr(color, "ndim", 1) == 2 else color)
    except (TypeError, ValueError, IndexError):
        return ()
    return tuple(round(float(v), 3) for v in rgb)


def _upper(bottom: Any, top: Any, size: int) -> Any:
    import numpy

    return numpy.maximum(bottom[:size, 1], top[:size, 1])


def _grid(values: Any, kind: str, label: str) -> Series:
    """A picture or heatmap: its shape and range, and its values where they are few."""
    import numpy

    array = numpy.ma.filled(numpy.ma.asarray(values, dtype=float), numpy.nan)
    shape = " × ".join(map(str, array.shape))
    if not array.size or array.ndim == 3:
        return Series(kind, label, extra=f"{shape} pixels")
    extra = f"{shape} cells by row, {numpy.nanmin(array):.4g} to {numpy.nanmax(array):.4g}"
    return Series(kind, label, array.ravel().tolist() if array.size <= 150 else (), extra=extra)
