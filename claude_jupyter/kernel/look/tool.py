"""A look tool: arguments as a dataclass, a result as a dataclass, and one `handle` between them.

A tool reads the kernel and changes nothing. It knows no wire format: schemas are derived from its arguments, results become
attachments under the rules of the request, and what limits every tool alike are wrappers in `conversation/tools/`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Protocol

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import UsageError
from claude_jupyter.options.option_values import did_you_mean

_JSON: Final[Mapping[Any, str]] = {str: "string", int: "integer", bool: "boolean", float: "number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What a look tool may read.

    Attributes
    ----------
    namespace
        The user's variables.
    rules
        How many rows may be sent, and what is redacted.
    cells
        The cells that ran, oldest first, with what they showed.
    """

    namespace: Mapping[str, Any]
    rules: Rules
    cells: Sequence[Cell] = ()


class Result(Protocol):
    """What a tool found."""

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """The result as it is shown to Claude."""
        ...


class LookTool(Protocol):
    """A tool with which Claude looks around; third parties register an instance under the entry points `claude_jupyter.look`.

    Attributes
    ----------
    name
        Its name for Claude.
    description
        When to call it and what it returns: the only guidance the model gets.
    arguments
        A dataclass; each field's `metadata["help"]` describes it. Fields are `str`, `int`, `float` or `bool`, or one of these or None.
    shorter
        How to ask for less; included when a result had to be cut.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def arguments(self) -> type[Any]: ...
    @property
    def shorter(self) -> str: ...

    def handle(self, arguments: Any, here: Here) -> Result:
        """Run the tool.

        Raises
        ------
        ClaudeError
            In one line for Claude: what went wrong and what to ask for instead.
        """
        ...


def definition(tool: LookTool) -> dict[str, Any]:
    """The tool as the Messages API takes it."""
    hints = typing.get_type_hints(tool.arguments)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in fields(tool.arguments):
        properties[field.name] = {"type": _JSON[_plain(hints[field.name])]}
        if help := field.metadata.get("help"):
            properties[field.name]["description"] = help
        if field.default is MISSING and field.default_factory is MISSING:
            required.append(field.name)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {"name": tool.name, "description": tool.description, "input_schema": schema}


def arguments_of(tool: LookTool, sent: Mapping[str, Any]) -> Any:
    """The arguments from Claude, as the tool's dataclass.

    Raises
    ------
    UsageError
        If an argument is missing, unknown or of the wrong type.
    """
    hints = typing.get_type_hints(tool.arguments)
    values: dict[str, Any] = {}
    for name, value in sent.items():
        if name not in hints:
            raise UsageError(f"{tool.name} does not accept {name!r}{did_you_mean(name, hints)}")
        kind = _plain(hints[name])
        if value is None:
            continue
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise UsageError(f"{name} takes a JSON {_JSON[kind]}")
        values[name] = value
    missing = [f.name for f in fields(tool.arguments) if f.default is MISSING and f.name not in values]
    if missing:
        raise UsageError(f"{tool.name} needs {' and '.join(missing)}")
    return tool.arguments(**values)


def _plain(hint: Any) -> Any:
    """The type of a field, without the None that stands for "not given"."""
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint
