"""The tool `show`: one value, as a NAME on a magic's line would show it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from claude_jupyter import content
from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.figures.data.beside import numbers_alone
from claude_jupyter.content.guard import guarded, type_name
from claude_jupyter.content.prompt.expressions import look_up, read
from claude_jupyter.content.recognize import holds_rows, is_textlike
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.values.arrays import is_array
from claude_jupyter.content.values.outlines import is_collection
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.lookup import looked_up
from claude_jupyter.kernel.look.tool import Here


@dataclass(frozen=True, slots=True)
class Expression:
    """What to show."""

    expression: str = field(metadata={"help": "Python without calls"})


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value with the expression that names it."""

    value: Any
    label: str

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """A frame's profile, a figure's picture with its numbers, else its text. Where drawing takes long, the numbers alone."""
        alone = numbers_alone(self.value, self.label, rules)
        return (alone,) if alone is not None else content.attach(self.value, self.label, rules)


@dataclass(frozen=True, slots=True)
class Show:
    """Shows a value."""

    name: str = "show"
    description: str = (
        "Look at one value: a frame as a profile (statistics per column, first and last rows), a figure or image as a picture (a "
        "Plotly or Bokeh figure as its numbers), anything else as text. Takes a Python expression of names, attributes, items and "
        'operators, without calls: df, df["city"], config.paths[0], df[df["x"] > 3].'
    )
    arguments: type[Expression] = Expression
    shorter: str = "show a part: one column, an item, a slice"

    def handle(self, arguments: Expression, here: Here) -> ShownValue:
        """The value that the expression names."""
        text, values = arguments.expression.strip(), here.rules.row_limit != 0
        value = looked_up(text, here.namespace, values=values)
        if not values and (where := _taken_from(value, text, here.namespace)):
            raise UsageError(
                f"It is a {type_name(type(value))} in {where}, and values are withheld (--rows none)."
            )
        return ShownValue(value, text)


def _taken_from(value: Any, text: str, namespace: Mapping[str, Any]) -> str:
    """Of what kind of rows the value is a part; empty if it is none, or tells no value under `--rows none` anyway."""
    if _is_governed(value) or is_collection(value):
        return ""
    whole = read(text)
    parts = (node for node in ast.walk(whole) if isinstance(node, ast.expr)) if whole is not None else ()
    sources = [
        guarded(partial(look_up, node, namespace)).value
        for node in parts
        if node is not whole and isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
    ]
    if any(map(_is_governed, sources)):
        return "a frame or array"
    plain = is_textlike(value) or isinstance(value, str | bytes | bytearray)
    return "a collection or record" if plain and any(map(is_collection, sources)) else ""


def _is_governed(value: Any) -> bool:
    return holds_rows(value) or is_array(value)
