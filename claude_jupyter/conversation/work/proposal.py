"""A call of `run_cell` → a proposed cell, or one line that tells Claude why it cannot be used. Pure; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

RUN_CELL: Final[Mapping[str, Any]] = {
    "name": "run_cell",
    "description": (
        "Propose one Python cell for the user's live notebook kernel. The user sees it before it runs, may edit it, and may run, "
        "skip or answer it; you get the outcome. Say in a sentence what you will do next, then call this once. Keep cells short and "
        "readable: they stay in the notebook and must run from top to bottom without you. End a cell with the value or plot worth "
        "seeing. Bind new names rather than changing the user's. When the work is done, answer without calling this."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "What the cell does, in at most ten words"},
            "code": {"type": "string", "description": "The cell's Python source"},
        },
        "required": ["title", "code"],
        "additionalProperties": False,
    },
}
"""The only tool that lets Claude change anything."""

MARK: Final = "# Claude: "
"""How the first line of a proposed cell begins."""
_LONGEST: Final = 20_000
_TITLE: Final = 80
_REFUSED: Final = (
    (r"(?m)^\s*%%", "Cell magics cannot be proposed: write Python, or a single line magic."),
    (r"(?m)^\s*%claude|\bget_ipython\(\)\.run_(?:line|cell)_magic\(\s*['\"]claude", "A cell cannot ask Claude again."),
    (r"%(?:un)?(?:re)?load_ext\s+claude_jupyter", "A cell must not load or unload the extension that it works through."),
    (r"\binput\s*\(", "input() would wait for the user forever: ask in words instead."),
    (r"\b(?:exit|quit)\s*\(|\bsys\.exit\s*\(|\bos\._exit\s*\(|\bos\.kill\s*\(\s*os\.getpid", "A cell must not end the kernel."),
    (r"\bdo_shutdown\b|\brestart_kernel\b|kernel\.restart\(|Javascript\(.*restart", "A cell must not restart the kernel."),
)  # fmt: skip


class ProposalError(Exception):
    """Why a proposed cell cannot be used, as reported to Claude."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One cell that Claude would like to run.

    Attributes
    ----------
    call
        Id of the tool call that proposes it.
    title, code
        As proposed, the code without the title line.
    """

    call: str
    title: str
    code: str

    @property
    def source(self) -> str:
        """The cell as it appears in the notebook: its first line says who wrote it."""
        return f"{MARK}{self.title}\n{self.code}"


def proposed(call: Mapping[str, Any]) -> Proposal:
    """The cell that a `run_cell` call proposes.

    Parameters
    ----------
    call
        The `tool_use` block.

    Raises
    ------
    ProposalError
        If the call does not propose a valid cell.
    """
    arguments = call.get("input")
    if not isinstance(arguments, Mapping) or "invalid_input" in call:
        raise ProposalError("The arguments were not valid JSON. Call run_cell again with title and code.")
    unknown = sorted(set(map(str, arguments)) - {"title", "code"})
    if unknown:
        raise ProposalError(f"run_cell takes title and code; {unknown[0]!r} is not one of them.")
    title, code = arguments.get("title"), arguments.get("code")
    if not isinstance(title, str) or not isinstance(code, str):
        raise ProposalError("run_cell takes title and code, both as text.")
    code = _without_mark(code.strip("\n").replace("\r\n", "\n")).rstrip()
    title = " ".join(title.split())[:_TITLE] or "a step"
    if not code:
        raise ProposalError("The cell is empty. Propose code, or answer without calling run_cell.")
    if len(code) > _LONGEST:
        raise ProposalError(
            f"The cell has {len(code):,} characters; at most {_LONGEST:,} can be read by a person. Split it."
        )
    _check(code)
    return Proposal(str(call.get("id")), title, code)


def title_of(source: str) -> str | None:
    """The title in the first line of a cell that Claude proposed; None for any other cell."""
    first, _, _ = source.lstrip("\n").partition("\n")
    return first.removeprefix(MARK).strip() if first.startswith(MARK) else None


def code_of(source: str) -> str:
    """A proposed cell's source without its title line."""
    return _without_mark(source.strip("\n")).strip("\n")


def _without_mark(code: str) -> str:
    return code.partition("\n")[2] if code.startswith(MARK) else code


def _check(code: str) -> None:
    for pattern, reason in _REFUSED:
        if re.search(pattern, code):
            raise ProposalError(reason)
    python = _python(code)
    try:
        compile(python, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        body = ast.parse(python).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        at = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ProposalError(f"The cell is not Python: {getattr(error, 'msg', error)}{at}.") from None
    if not body:
        raise ProposalError("The cell has only comments. Propose code, or answer without calling run_cell.")
    if any(_binds_claude(node) for node in ast.walk(ast.Module(body, []))):
        raise ProposalError("A cell must not bind or delete the name claude.")


def _binds_claude(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="claude", ctx=ast.Store() | ast.Del()):
            return True
        case (
            ast.FunctionDef(name="claude") | ast.AsyncFunctionDef(name="claude") | ast.ClassDef(name="claude")
        ):
            return True
        case ast.ExceptHandler(name="claude") | ast.MatchAs(name="claude") | ast.MatchStar(name="claude"):
            return True
        case ast.Import(names) | ast.ImportFrom(names=names):
            ours = isinstance(node, ast.ImportFrom) and node.module == "claude_jupyter"
            return any((alias.asname or alias.name) == "claude" and not ours for alias in names)
        case _:
            return False


def _python(code: str) -> str:
    """The cell with magics and shell lines as IPython writes them."""
    if not re.search(r"(?m)^\s*(?:[\w, ]+=\s*)?[%!]|\?\s*$", code):
        return code
    from claude_jupyter.kernel.effects.syntax import as_python

    return as_python(code)
