"""What would change in a cell, for `%claude_fix`: removed and added lines, readable in any theme and without styles."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from html import escape
from typing import Any, Final

MIME: Final = "application/vnd.claude-jupyter.fix+json"
_CONTEXT: Final = 2
_STYLES: Final = {
    "-": "background: rgba(215, 58, 73, .16)",
    "+": "background: rgba(46, 160, 67, .20)",
    "…": "color: var(--jp-ui-font-color2, #767676)",
}
_PRE: Final = (
    "border: 1px solid var(--jp-border-color2, rgba(128, 128, 128, .35)); border-radius: 3px; margin: 4px 0; padding: 6px 0; "
    "overflow-x: auto; background: none; color: inherit; font-size: var(--jp-code-font-size, 13px); line-height: 1.35; "
    "font-family: var(--jp-code-font-family, monospace)"
)


def difference(before: str, after: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mimebundle of what would change: HTML, and a unified diff as text."""
    old, new = before.splitlines(), after.splitlines()
    unified = difflib.unified_diff(
        old, new, "the cell that failed", "the corrected cell", lineterm="", n=_CONTEXT
    )
    lines = "".join(_line(sign, text) for sign, text in _changes(old, new))
    html = f'<pre class="mathjax_ignore tex2jax_ignore" aria-label="What would change" style="{_PRE}">{lines}</pre>'
    return {"text/html": html, "text/plain": "\n".join(unified)}, {}


def correction(cell: str | None, before: str, after: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for JupyterLab, whose extension puts the corrected cell where the user chooses.

    Parameters
    ----------
    cell
        The notebook's id of the cell that failed.
    """
    data, metadata = difference(before, after)
    changes = [list(change) for change in _changes(before.splitlines(), after.splitlines())]
    facts = {"version": 1, "cell": cell, "before": before, "after": after, "changes": changes}
    return {MIME: facts, **data}, metadata


def _changes(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Each line with its sign; `…` where lines that stay are left out."""
    last = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT):
        if group[0][1] > last:
            yield "…", ""
        for kind, i, j, k, m in group:
            if kind == "equal":
                yield from ((" ", line) for line in old[i:j])
            else:
                yield from (("-", line) for line in old[i:j])
                yield from (("+", line) for line in new[k:m])
            last = j
    if last < len(old):
        yield "…", ""


def _line(sign: str, text: str) -> str:
    style = f"; {_STYLES[sign]}" if sign in _STYLES else ""
    return f'<span style="display: block; padding: 0 10px; min-width: max-content{style}">{sign} {escape(text)}\n</span>'
