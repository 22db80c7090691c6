"""`%%claude`, `%claude` and their companions: what was typed becomes a question to the conversation, what fails becomes one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from traitlets import TraitError, validate

from claude_jupyter.content.prompt import fill
from claude_jupyter.errors import SettingError
from claude_jupyter.magics import help as help_text
from claude_jupyter.magics.parse import Asked, parse_cell, parse_line, resolve, with_objects
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Receipt

if TYPE_CHECKING:
    from claude_jupyter.conversation.conversation import Conversation


@magics_class
class ClaudeMagics(Settings, Magics):
    """The magics, and with `%config ClaudeMagics` the settings."""

    def __init__(self, shell: Any, home: Any) -> None:
        super().__init__(shell=shell, parent=shell)
        self._home = home
        if self not in shell.configurables:
            shell.configurables.append(self)

    @validate("prices")
    def _valid_prices(self, proposal: Mapping[str, Any]) -> Any:
        from claude_jupyter.costs.prices import check_prices

        try:
            check_prices(proposal["value"])
        except SettingError as error:
            raise TraitError(error.message) from None
        return proposal["value"]

    @property
    def _claude(self) -> Conversation:
        return self._home.claude

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def claude(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Answer | Receipt | None:
        """Ask Claude."""
        asked = parse_line(line) if cell is None else parse_cell(line, cell)
        if asked.help:
            print(help_text.text())  # noqa: T201
            return None
        return self._ask(asked, local_ns)

    def _ask(self, asked: Asked, local_ns: Mapping[str, Any] | None) -> Answer | Receipt:
        assert self.shell is not None
        user_ns: dict[str, Any] = self.shell.user_ns
        # Within a function its own names come first, as in any line there.
        space = user_ns if local_ns is None or local_ns is user_ns else {**user_ns, **local_ns}
        filled = fill(asked.prompt, space, named=[n.source for n in asked.names])
        labels: list[str] = []
        values: list[Any] = []
        for name, value in resolve(asked.names, space):
            labels.append(name.literal or name.source)
            values.append(_as_file(value) if name.literal is not None else value)
        for expression, value in filled.attached:
            labels.append(expression)
            values.append(value)
        options = with_objects(asked.options, space)
        for hint in filled.hints:
            self._home.shell.warn(hint)

        def finished(answer: Answer) -> None:
            if options.out:
                user_ns[options.out] = answer.value if options.returns is not None else answer
            if options.code and answer.code:
                self._home.shell.insert(answer.code, answer)
            elif options.code and answer.complete:
                self._home.shell.warn("the answer holds no code; nothing was put below.")

        return self._claude.question(filled.text, values, options, labels=labels, finished=finished)

    @no_var_expand
    @line_magic
    def claude_fix(self, line: str) -> None:
        """Explain the last error and put a corrected cell below, with a diff; it is never run by itself."""
        from claude_jupyter.magics.fix import fix

        fix(line, self._home)

    @line_magic
    def claude_cost(self, line: str) -> None:
        """What was spent: a table by cell, and a picture with `--plot`; `%claude_cost --help` lists the options."""
        from claude_jupyter.magics.cost import cost

        cost(line, self._home)

    @line_magic
    def claude_chat(self, line: str) -> Any:
        """List, show, fork, undo, save and restore conversations; `%claude_chat --help` lists all."""
        from claude_jupyter.magics import chat

        result = chat.run(line, self._claude)
        if not isinstance(result, str):
            return result
        print(result)  # noqa: T201
        return None

    @line_magic
    def claude_key(self, line: str) -> None:
        """Enter a key with a hidden input; it is kept in this kernel. `--save` keeps it in the system's keyring."""
        from claude_jupyter.magics.key import enter_key

        print(enter_key(line, self._home))  # noqa: T201


def _as_file(name: str) -> Any:
    from claude_jupyter.content import file

    return file(name)


ClaudeMagics.claude.__doc__ = help_text.docstring()

__all__ = ["ClaudeMagics"]
