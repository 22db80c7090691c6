"""Reads the data of Plotly, Altair and Bokeh charts from their own specifications, without drawing them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from claude_jupyter.content.figures.data.series import FigureData, Panel, Series

_PLOTLY_NUMBERS = {
    "f8": "d",
    "f4": "f",
    "i4": "i",
    "i2": "h",
    "i1": "b",
    "u4": "I",
    "u2": "H",
    "u1": "B",
    "i8": "q",
    "u8": "Q",
}
_MOST = 5_000


# -- Plotly ---------------------------------------------------------------------------------------------------------------


def from_plotly(figure: Mapping[str, Any]) -> FigureData:
    """From a figure's JSON (`to_dict()`, or the notebook's `application/vnd.plotly.v1+json`)."""
    layout = figure.get("layout") or {}
    panels: dict[tuple[str, str], list[Series]] = {}
    for trace in figure.get("data") or ():
        key = (str(trace.get("xaxis") or "x"), str(trace.get("yaxis") or "y"))
        panels.setdefault(key, []).append(_trace(trace))
    title = _plotly_text(layout.get("title"))
    legend = _plotly_text((layout.get("legend") or {}).get("title"))
    plotly_panels = tuple(_plotly_panel(layout, x, y, series, legend) for (x, y), series in panels.items())
    return FigureData("Plotly", title, plotly_panels)


def _plotly_panel(layout: Mapping[str, Any], x: str, y: str, series: Sequence[Series], legend: str) -> Panel:
    x_axis, y_axis = (layout.get(name[0] + "axis" + name[1:]) or {} for name in (x, y))
    return Panel(
        x_label=_plotly_text(x_axis.get("title")),
        y_label=_plotly_text(y_axis.get("title")),
        x_scale=str(x_axis.get("type") or "linear"),
        y_scale=str(y_axis.get("type") or "linear"),
        x_limits=_pair(x_axis.get("range")),
        y_limits=_pair(y_axis.get("range")),
        legend=legend,
        series=tuple(series),
    )


def _plotly_text(value: Any) -> str:
    return str(value.get("text") or "") if isinstance(value, Mapping) else str(value or "")


def _pair(value: Any) -> tuple[Any, Any] | None:
    return (
        (value[0], value[1])
        if isinstance(value, Sequence) and len(value) == 2 and None not in value
        else None
    )


def _trace(trace: Mapping[str, Any]) -> Series:
    kind, name = str(trace.get("type") or "scatter"), str(trace.get("name") or "")
    x, y = _plotly_values(trace.get("x")), _plotly_values(trace.get("y"))
    if kind == "pie":
        return Series("pie", name, _plotly_values(trace.get("values")), _plotly_values(trace.get("labels")))
    if kind in ("histogram", "box", "violin"):
        return Series(f"{kind} (raw values)", name, y or x)
    if kind in ("heatmap", "contour", "surface", "image"):
        rows = [_plotly_values(row) for row in _rows(trace.get("z"))]
        flat = [v for row in rows for v in row]
        few = flat if len(flat) <= 150 else ()
        return Series(kind, name, few, extra=f"{len(rows)} × {len(rows[0]) if rows else 0} cells by row")
    if kind == "bar" and trace.get("orientation") == "h":
        return Series("horizontal bar", name, x, y)
    if kind in ("scatter", "scattergl"):
        kind = "points" if trace.get("mode") == "markers" else "area" if trace.get("fill") else "line"
    return Series(kind, name, y, x)


def _rows(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping) and "shape" in value:
        flat = _plotly_values(value)
        width = int(str(value["shape"]).split(",")[-1])
        return [flat[i : i + width] for i in range(0, len(flat), width)]
    return list(value) if value is not None else ()


def _plotly_values(value: Any) -> Sequence[Any]:
    """A column of a trace; Plotly 6 writes arrays as base64 (`{"dtype": "f8", "bdata": …}`)."""
    if isinstance(value, Mapping):
        code = _PLOTLY_NUMBERS.get(str(value.get("dtype")))
        if code is None or not isinstance(value.get("bdata"), str):
            return ()
        data = base64.b64decode(value["bdata"])
        return list(struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))
    if value is None or isinstance(value, str):
        return ()
    return list(value)


# -- Altair and Vega-Lite -------------------------------------------------------------------------------------------------


def from_vega_lite(spec: Mapping[str, Any]) -> FigureData:
    """From a Vega-Lite specification (`chart.to_dict()`); data that it only names by address is not fetched."""
    datasets = spec.get("datasets") or {}
    panels = tuple(_vega_panel(part, datasets, spec.get("data")) for part in _vega_parts(spec))
    title = _vega_title(spec.get("title")) if len(panels) > 1 else ""
    return FigureData("Altair", title, panels)


def _vega_parts(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("hconcat", "vconcat", "concat"):
        for part in spec.get(key) or ():
            yield from _vega_parts({"data": spec.get("data"), **part})
    if "layer" in spec or "mark" in spec:
        yield spec
    elif isinstance(spec.get("spec"), Mapping):
        yield {"data": spec.get("data"), "title": spec.get("title"), **spec["spec"]}


def _vega_title(value: Any) -> str:
    text = value.get("text") if isinstance(value, Mapping) else value
    return " ".join(text) if isinstance(text, list) else str(text or "")


def _vega_panel(spec: Mapping[str, Any], datasets: Mapping[str, Any], outer: Any) -> Panel:
    layers = spec.get("layer") or [spec]
    encodings = [{**(spec.get("encoding") or {}), **(layer.get("encoding") or {})} for layer in layers]
    series: list[Series] = []
    for layer, encoding in zip(layers, encodings, strict=True):
        rows = _vega_rows(layer.get("data") or spec.get("data") or outer, datasets)
        series.extend(_vega_series(layer.get("mark"), encoding, rows))
    first = next((e for e in encodings if e), {})
    x, y = first.get("x") or {}, first.get("y") or {}
    color = first.get("color") or {}
    return Panel(
        title=_vega_title(spec.get("title")),
        x_label=_vega_label(x),
        y_label=_vega_label(y),
        x_scale=_vega_scale(x),
        y_scale=_vega_scale(y),
        legend=_vega_label(color) if "field" in color else "",
        series=tuple(series),
    )


def _vega_label(channel: Mapping[str, Any]) -> str:
    title = channel.get("title") or (channel.get("axis") or {}).get("title")
    aggregate = channel.get("aggregate")
    field = str(channel.get("field") or "")
    name = f"{aggregate} of {field}" if isinstance(aggregate, str) and field else str(aggregate or field)
    return str(title) if isinstance(title, str) else name


def _vega_scale(channel: Mapping[str, Any]) -> str:
    scale = channel.get("scale") or {}
    kind = str(channel.get("type") or "")
    return str(
        scale.get("type")
        or {"temporal": "date", "nominal": "categories", "ordinal": "categories"}.get(kind, "linear")
    )


def _vega_rows(data: Any, datasets: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if not isinstance(data, Mapping):
        return ()
    values = data.get("values", datasets.get(str(data.get("name"))))
    return [row for row in values[:_MOST] if isinstance(row, Mapping)] if isinstance(values, list) else ()


def _vega_series(
    mark: Any, encoding: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Series]:
    kind = str(mark.get("type") if isinstance(mark, Mapping) else mark or "")
    x, y = encoding.get("x") or {}, encoding.get("y") or {}
    split = next(
        (
            encoding[c]["field"]
            for c in ("color", "detail", "column", "row")
            if "field" in (encoding.get(c) or {})
        ),
        None,
    )
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row.get(split) if split else None, []).append(row)
    for name, members in groups.items():
        xs, ys = _vega_points(x, y, members)
        if xs or ys:
            yield Series(kind, "" if name is None else str(name), ys, xs)


def _vega_points(
    x: Mapping[str, Any], y: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> tuple[list[Any], list[Any]]:
    """The points that are drawn; an aggregate of one channel is computed over the values of the other."""
    for by, over, flipped in ((x, y, False), (y, x, True)):
        how = over.get("aggregate")
        if isinstance(how, str) and "field" in by and not by.get("bin"):
            groups: dict[Any, list[Any]] = {}
            for row in rows:
                groups.setdefault(row.get(str(by["field"])), []).append(row.get(str(over.get("field"))))
            compute = _AGGREGATES.get(how)
            if compute is None or by.get("timeUnit"):
                return [], []
            keys, values = (
                list(groups),
                [compute([v for v in vs if v is not None or how == "count"]) for vs in groups.values()],
            )
            return (values, keys) if flipped else (keys, values)
    xs = [row.get(str(x.get("field"))) for row in rows] if "field" in x else []
    ys = [row.get(str(y.get("field"))) for row in rows] if "field" in y else []
    return xs, ys


def _mean(values: list[Any]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _median(values: list[Any]) -> float:
    from statistics import median

    return median(values) if values else float("nan")


_AGGREGATES: Mapping[str, Callable[[list[Any]], Any]] = {
    "mean": _mean, "average": _mean, "median": _median, "sum": sum, "count": len,
    "min": lambda v: min(v, default=None), "max": lambda v: max(v, default=None), "distinct": lambda v: len(set(v)),
}  # fmt: skip


# -- Bokeh ----------------------------------------------------------------------------------------------------------------


def from_bokeh(value: Any) -> FigureData:
    """From a Bokeh figure or layout."""
    figures = list(_bokeh_figures(value))
    return FigureData("Bokeh", "", tuple(_bokeh_panel(figure) for figure in figures))


def _bokeh_figures(value: Any) -> Iterator[Any]:
    if hasattr(value, "renderers") and hasattr(value, "xaxis"):
        yield value
        return
    for child in getattr(value, "children", None) or ():
        yield from _bokeh_figures(child[0] if isinstance(child, tuple) else child)


def _bokeh_panel(figure: Any) -> Panel:
    x_axis, y_axis = (next(iter(getattr(figure, name, ())), None) for name in ("xaxis", "yaxis"))
    items = [item for legend in figure.legend for item in legend.items]
    legends = {id(renderer): _bokeh_text(item.label) for item in items for renderer in item.renderers}
    series = [_bokeh_series(r, legends.get(id(r), "")) for r in figure.renderers if hasattr(r, "glyph")]
    return Panel(
        title=getattr(figure.title, "text", "") or "",
        x_label=str(getattr(x_axis, "axis_label", "") or ""),
        y_label=str(getattr(y_axis, "axis_label", "") or ""),
        x_scale=_bokeh_scale(x_axis),
        y_scale=_bokeh_scale(y_axis),
        series=tuple(s for s in series if s is not None),
    )


def _bokeh_scale(axis: Any) -> str:
    kind = type(axis).__name__
    return {"LogAxis": "log", "DatetimeAxis": "date", "CategoricalAxis": "categories"}.get(kind, "linear")


def _bokeh_text(label: Any) -> str:
    return str(getattr(label, "value", None) or getattr(label, "field", None) or "")


def _bokeh_column(glyph: Any, names: Sequence[str], data: Mapping[str, Any]) -> list[Any]:
    for name in names:
        spec = getattr(glyph, name, None)
        field = getattr(spec, "field", None) or (spec if isinstance(spec, str) else None)
        if isinstance(field, str) and field in data:
            return list(data[field])
    return []


def _bokeh_series(renderer: Any, label: str) -> Series | None:
    glyph, data = renderer.glyph, renderer.data_source.data
    kind = type(glyph).__name__
    label = label or str(renderer.name or "")
    if kind == "Quad":
        left, right = _bokeh_column(glyph, ["left"], data), _bokeh_column(glyph, ["right"], data)
        return Series("histogram", label, _bokeh_column(glyph, ["top"], data), [*left, *right[-1:]])
    if kind == "HBar":
        return Series(
            "horizontal bar", label, _bokeh_column(glyph, ["right"], data), _bokeh_column(glyph, ["y"], data)
        )
    x, y = _bokeh_column(glyph, ["x"], data), _bokeh_column(glyph, ["y", "top", "y2", "y1"], data)
    names = {
        "Line": "line",
        "Scatter": "points",
        "Circle": "points",
        "VBar": "bar",
        "VArea": "area",
        "Step": "step",
    }
    return Series(names.get(kind, kind.lower()), label, y, x) if x or y else None
