"""Charts inside the HTML or JavaScript that libraries show them by → their JSON: Altair's and Plotly's pages, Bokeh's embedding.

Pure text: nothing is run. What is not found as these libraries write it today is not a chart here.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

PAGE: Final = "application/x-chart-page"
"""Our own name for HTML that holds a chart of Altair or Plotly."""

BOKEH: Final = "application/vnd.bokehjs_exec.v0+json"

_CHARTS: Final = ("vegaEmbed", "Plotly.newPlot(")
_VEGA: Final = re.compile(r"(?:\}\)\(|\bspec\s*=)\s*(?=\{)")
_PLOTLY: Final = re.compile(r"Plotly\.newPlot\(\s*[\"'][^\"']+[\"'],\s*(?=\[)")


def holds_chart(html: str) -> bool:
    """Whether this HTML is a chart that `chart_in` may find: a cheap look."""
    return any(mark in html for mark in _CHARTS)


def chart_in(html: str) -> tuple[str, dict[str, Any]] | None:
    """The mime type and JSON of the chart that an HTML output draws."""
    if match := _PLOTLY.search(html):
        data, end = _json(html, match.end())
        layout, _ = _json(html, html.find("{", end))
        if isinstance(data, list):
            return "application/vnd.plotly.v1+json", {"data": data, "layout": layout or {}}
    for match in _VEGA.finditer(html):
        spec, _ = _json(html, match.end())
        if isinstance(spec, dict) and "$schema" in spec:
            lite = "vega-lite" in str(spec["$schema"])
            return f"application/vnd.{'vegalite' if lite else 'vega'}+json", spec
    return None


def bokeh_page(script: str, resources: str) -> str | None:
    """A page that shows what a Bokeh script would show in a notebook, with the library in `resources`."""
    parts = [_bokeh_part(name, script)[1] for name in ("docs_json", "render_items")]
    if not all(parts):
        return None
    roots: dict[str, str] = {}
    for item in json.loads(parts[1]):
        roots.update(item.get("roots") or {})
    if not roots or not all(re.fullmatch(r"[\w-]+", word) for pair in roots.items() for word in pair):
        return None
    places = "".join(f'<div id="{place}" data-root-id="{root}"></div>' for root, place in roots.items())
    docs, items = (text.replace("</", "<\\/") for text in parts)
    return (
        f"<!DOCTYPE html><html><head>{resources}<style>body {{ margin: 0 }}</style></head><body>{places}"
        f"<script>Bokeh.embed.embed_items({docs}, {items})</script></body></html>"
    )


def bokeh_documents(script: str) -> list[Any]:
    """The documents that a Bokeh script shows, as JSON."""
    documents, _ = _bokeh_part("docs_json", script)
    return [d for d in documents.values() if isinstance(d, dict)] if isinstance(documents, dict) else []


def _bokeh_part(name: str, script: str) -> tuple[Any, str]:
    match = re.search(rf"\b{name}\s*=\s*(?=[\[{{])", script)
    value, end = _json(script, match.end()) if match is not None else (None, 0)
    return value, script[match.end() : end] if match is not None else ""


def _json(text: str, at: int) -> tuple[Any, int]:
    try:
        return json.JSONDecoder().raw_decode(text, at) if at >= 0 else (None, 0)
    except (ValueError, RecursionError):
        return None, at
