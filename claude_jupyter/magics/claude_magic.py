"""`%%claude`, `%claude` and their companions: a typed line becomes a question to the conversation, an error becomes one line."""

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

from claude_jupyter.answer.model import Answer, Receipt
from claude_jupyter.content.prompt.interpolate import fill
from claude_jupyter.errors import SettingError
from claude_jupyter.interrupts import in_one_line
from claude_jupyter.magics import help
from claude_jupyter.magics.host import Host
from claude_jupyter.magics.line.parse import ParsedPrompt, parse_cell, parse_line, resolve, with_objects
from claude_jupyter.settings import Settings

if TYPE_CHECKING:
    from claude_jupyter.conversation.conversation import Conversation


@magics_class
class ClaudeMagics(Settings, Magics):
    """The magics; `%config ClaudeMagics` shows and changes the settings."""

    def __init__(self, shell: Any, extension: Host) -> None:
        super().__init__(shell=shell, parent=shell)
        self._extension = extension
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
        return self._extension.claude

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    @in_one_line()
    def claude(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Answer | Receipt | None:
        """Ask Claude."""
        parsed = parse_line(line) if cell is None else parse_cell(line, cell)
        if parsed.help:
            print(help.text())  # noqa: T201
            return None
        if not parsed.prompt.strip():
            self._extension.shell.warn(
                "This cell has no question yet, so nothing was sent. Write one below the first line."
            )
            return None
        return self._ask(parsed, local_ns)

    def _ask(self, parsed: ParsedPrompt, local_ns: Mapping[str, Any] | None) -> Answer | Receipt:
        assert self.shell is not None
        user_ns: dict[str, Any] = self.shell.user_ns
        # Within a function its own names come first, as in any line there.
        space = user_ns if local_ns is None or local_ns is user_ns else {**user_ns, **local_ns}
        withhold = (parsed.options.rows or self.rows) == "none"
        filled = fill(parsed.prompt, space, named=[n.source for n in parsed.names], withhold=withhold)
        labels: list[str] = []
        values: list[Any] = []
        for name, value in resolve(parsed.names, space):
            labels.append(name.literal or name.source)
            values.append(_as_file(value) if name.literal is not None else value)
        for expression, value in filled.attached:
            labels.append(expression)
            values.append(value)
        options = with_objects(parsed.options, space)
        looks = options.do or (self.look if options.look is None else options.look)
        for hint in () if looks else filled.hints:  # Claude finds by itself what the question names
            self._extension.shell.warn(hint)

        def finished(answer: Answer) -> None:
            if options.out:
                user_ns[options.out] = answer.value if options.returns is not None else answer
            if options.code and answer.code:
                self._extension.shell.insert(answer.code, answer)
            elif options.code and answer.complete:
                self._extension.shell.warn("the answer contains no code, so no cell was added.")

        return self._claude.question(filled.text, values, options, labels=labels, finished=finished)

    @no_var_expand
    @line_magic
    def claude_fix(self, line: str) -> None:
        """Explain the last error and put a corrected cell below, with a diff; it is never run automatically."""
        from claude_jupyter.magics.fix import fix

        fix(line, self._extension)

    @line_magic
    def claude_cost(self, line: str) -> None:
        """Show what was spent: a table by cell, and a chart with `--plot`; `%claude_cost --help` lists the options."""
        from claude_jupyter.magics.cost import cost

        cost(line, self._extension)

    @line_magic
    def claude_chat(self, line: str) -> Any:
        """List, show, fork, undo, save and restore conversations; `%claude_chat --help` lists all."""
        from claude_jupyter.magics import claude_chat as chat

        result = chat.run(line, self._claude)
        if not isinstance(result, str):
            return result
        print(result)  # noqa: T201
        return None

    @line_magic
    def claude_mcp(self, line: str) -> None:
        """List, allow, start and stop MCP servers, whose tools `--mcp NAME` offers; `%claude_mcp --help` lists all."""
        from claude_jupyter.magics import claude_mcp as mcp

        print(mcp.run(line, self._extension))  # noqa: T201

    @line_magic
    def claude_key(self, line: str) -> None:
        """Enter a key with a hidden input; it is kept in this kernel. `--save` keeps it in the system's keyring."""
        from claude_jupyter.magics.key import enter_key

        print(enter_key(line, self._extension))  # noqa: T201


def _as_file(name: str) -> Any:
    from claude_jupyter.content import file

    return file(name)


ClaudeMagics.claude.__doc__ = help.docstring()

__all__ = ["ClaudeMagics"]
