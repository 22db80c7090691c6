"""Shapely geometries → well-known text with kind, bounds and measures, which their image in the notebook does not show."""

from __future__ import annotations

from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import guarded, mro, root_module, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, redacted_middle, text_attachment
from claude_jupyter.content.text.token_estimate import characters_of
from claude_jupyter.content.values.short import line

TOKENS: Final = 2_000


def is_geometry(value: Any) -> bool:
    """Whether it is one of Shapely's geometries, determined by its classes alone."""
    return any(
        root_module(kind) == "shapely" and type_name(kind, short=True) == "BaseGeometry"
        for kind in mro(value)
    )


def attach(value: Any, label: str, rules: Rules) -> Attachment:
    """The geometry as text. Its coordinates are values: `--rows none` keeps them in."""
    kind = type_name(type(value), short=True)
    points = guarded(lambda: _points(value)).value
    facts = [
        f"Shapely {kind}"
        + ("" if points is None else f" of {points:,} {'point' if points == 1 else 'points'}")
    ]
    withheld = rules.row_limit == 0
    redactor = Redactor(rules)
    notes: tuple[str, ...] = ()
    if withheld:
        facts.append("coordinates withheld (--rows none)")
    else:
        facts.extend(_measures(value))
        words, cut = redacted_middle(
            guarded(lambda: str(value.wkt)).value or "", characters_of(TOKENS), redactor
        )
        facts.append(words)
        notes = (f"its text is shortened to about {TOKENS:,} tokens",) if cut else ()
    sent = f"{kind}, no coordinates" if withheld else f"{kind}, WKT"
    return text_attachment(
        "\n".join(facts),
        label,
        "geometry",
        rules,
        sent=sent,
        notes=notes,
        rows=not withheld,
        redactor=redactor,
    )


def _points(value: Any) -> int:
    import shapely

    return int(shapely.get_num_coordinates(value))


def _measures(value: Any) -> list[str]:
    if guarded(lambda: bool(value.is_empty)).value is not False:
        return []
    lines: list[str] = []
    bounds = guarded(lambda: [float(x) for x in value.bounds]).value
    if bounds:
        lines.append("bounds: " + ", ".join(line(x, 30) for x in bounds))
    for name in ("length", "area"):
        measure = guarded(lambda name=name: float(getattr(value, name))).value
        if measure:
            lines.append(f"{name}: {line(measure, 30)}")
    return lines
