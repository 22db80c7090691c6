"""The tool `variables`: names, types, shapes and columns, filtered by name or type."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.dataframes.frames import schema_line
from claude_jupyter.content.guard import guarded
from claude_jupyter.content.kinds import is_frame
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import text_attachment
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.tool import Here
from claude_jupyter.kernel.namespace import Variable, variable, variables
from claude_jupyter.options.option_values import did_you_mean

_DETAILED: Final = 20
_WIDTH: Final = 3_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which variables."""

    name: str | None = field(default=None, metadata={"help": "part of the name, or a pattern with *"})
    type: str | None = field(default=None, metadata={"help": "part of the type, e.g. DataFrame"})


@dataclass(frozen=True, slots=True)
class Listing:
    """Variables, one line each."""

    lines: tuple[str, ...]
    label: str

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """As text: no value is in it."""
        count = len(self.lines)
        sent = f"{count:,} variable{'' if count == 1 else 's'} by name and type"
        return (text_attachment("\n".join(self.lines), self.label, "variables", rules, sent=sent),)


@dataclass(frozen=True, slots=True)
class Variables:
    """Lists variables."""

    name: str = "variables"
    description: str = (
        "List variables of the notebook: name, type, shape, and a frame's columns with dtypes. No values: use show or query "
        "for those."
    )
    arguments: type[Filter] = Filter
    shorter: str = "filter by name or type"

    def handle(self, arguments: Filter, here: Here) -> Listing:
        """The variables that fit.

        Raises
        ------
        UsageError
            If none does.
        """
        matching = [v for v in variables(here.namespace) if _fits(v, arguments)]
        criteria = [text for text in (arguments.name, arguments.type) if text]
        if not matching:
            names = [v.name for v in variables(here.namespace)]
            near = did_you_mean(arguments.name or "", names)
            raise UsageError(f"No variable matches {' and '.join(criteria) or 'that'}{near or '.'}")
        lines = [_line(v, here, detailed=len(matching) <= _DETAILED) for v in matching]
        return Listing(tuple(lines), f"variables {' '.join(criteria)}".rstrip())


def _fits(variable: Variable, criteria: Filter) -> bool:
    name, kind = (criteria.name or "").casefold(), (criteria.type or "").casefold()
    own = variable.name.casefold()
    named = fnmatchcase(own, name) if "*" in name else name in own
    return named and kind in variable.kind.casefold()


def _line(listed: Variable, here: Here, *, detailed: bool) -> str:
    value: Any = here.namespace.get(listed.name)
    if not (detailed and is_frame(value)):
        return variable(listed.name, value).line()
    values = here.rules.row_limit != 0
    schema = guarded(lambda: schema_line(value, _WIDTH, values=values)).value
    return f"{listed.name}: {schema}" if schema else listed.line()
