"""The tool `help`: signature and docstring of a callable, or its source."""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from claude_jupyter import content
from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import guarded, is_installed, type_name
from claude_jupyter.content.prompt.expressions import read, root
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import text_attachment
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.lookup import looked_up
from claude_jupyter.kernel.look.tool import Here

_DOC: Final = 12_000


@dataclass(frozen=True, slots=True)
class About:
    """Which callable."""

    name: str = field(metadata={"help": "dotted name, e.g. pd.DataFrame.merge or my_function"})
    source: bool = field(default=False, metadata={"help": "the source code instead of the docstring"})


@dataclass(frozen=True, slots=True)
class Documentation:
    """A callable of a library, by its signature and docstring."""

    label: str
    text: str
    sent: str

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """As text."""
        return (text_attachment(self.text, self.label, "help", rules, sent=self.sent),)


@dataclass(frozen=True, slots=True)
class Own:
    """A callable of the user's, by its source."""

    value: Any
    label: str

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """As a NAME would show it."""
        return content.attach(self.value, self.label, rules)


@dataclass(frozen=True, slots=True)
class Help:
    """Explains a callable."""

    name: str = "help"
    description: str = "Signature and docstring of a function, method or class in this kernel, as installed here; or its source."
    arguments: type[About] = About
    shorter: str = "ask for a single method"

    def handle(self, arguments: About, here: Here) -> Documentation | Own:
        """What there is to read of it.

        Raises
        ------
        UsageError
            For a name that does not exist, or a value that cannot be called.
        """
        name = arguments.name.strip().removesuffix("()")
        values = here.rules.row_limit != 0
        value = looked_up(name, _reachable(name, here.namespace), values=values)
        if not callable(value):
            raise UsageError(f"{name} is of type {type_name(type(value))}, which is not callable: use show.")
        file = guarded(lambda: inspect.getfile(inspect.unwrap(value))).value
        if isinstance(file, str) and not is_installed(file):
            return Own(value, name)
        if arguments.source:
            source = guarded(lambda: inspect.getsource(inspect.unwrap(value))).value
            if isinstance(source, str):
                return Documentation(name, inspect.cleandoc("\n" + source), "source")
        return Documentation(name, _signature(value, name, values=values), "signature and docstring")


def _reachable(name: str, namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    """The namespace, and behind it modules that are loaded anyway and the builtins: nothing is imported."""
    node = read(name)
    first = root(node) if node is not None else ""
    if first in namespace:
        return namespace
    behind = sys.modules.get(first, getattr(builtins, first, None)) if first else None
    return namespace if behind is None else {**namespace, first: behind}


def _signature(value: Any, name: str, *, values: bool) -> str:
    """Without default values under `--rows none`: a user's partial or lambda may hold a frame in them."""
    signature = guarded(lambda: inspect.signature(value)).value
    parameters = "(…)"
    if isinstance(signature, inspect.Signature):
        parameters = str(signature) if values else f"({', '.join(signature.parameters)})"
    doc = guarded(lambda: inspect.getdoc(value)).value
    kind = "class" if isinstance(value, type) else "function"
    return f"{kind} {name}{parameters}" + (f"\n\n{doc[:_DOC]}" if isinstance(doc, str) and doc else "")
