"""`--help` and `%claude?`: the option table as text, in its groups, with examples. Everything about an option comes from the table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from claude_jupyter.options import OPTIONS, Option

WIDTH: Final = 100
_COLUMN: Final = 26

USAGE: Final = (
    ("%%claude [options] [NAME ...]", "the question goes on the lines below"),
    ("%claude [options] QUESTION", "in one line; -- ends the options"),
)
NAMES: Final = (
    'NAME is a value to look at: df, fig, ax.figure, df["a b"], Out[5], or a file or URL in quotes: "plot.png". '
    "In the question {df} attaches a dataframe or figure, {x} and {x:.2f} put a text or number in; {{x}} stays {x}."
)
EXAMPLES: Final = (
    ("%%claude sales fig", "ask about a dataframe and a figure"),
    ("%%claude -p 2 -m opus", "about the two newest plots, with the newest Opus"),
    ("%claude -e what went wrong?", "about the last error"),
    ("%%claude --rows none sales", "send columns and counts, but no cell value"),
    ("%%claude -r list[str] -o names", "bind a list of strings to names"),
    ("%%claude --dry-run -l 3", "show what would be sent and its price; send nothing"),
)
SEE: Final = "See also %claude_fix, %claude_cost, %claude_chat, %claude_key and %config ClaudeMagics."


def groups() -> Iterator[tuple[str, tuple[Option, ...]]]:
    """The headings with their options, in the order of the table."""
    for title, options in groupby(OPTIONS, key=lambda option: option.group):
        yield title, tuple(options)


def signature(option: Option) -> str:
    """`-p, --plots [N]`."""
    value = (
        f" [{option.metavar}]"
        if option.kind in ("count", "mode")
        else f" {option.metavar}"
        if option.metavar
        else ""
    )
    return (f"-{option.short}, " if option.short else "") + option.flag + value


def description(option: Option) -> str:
    """Its line of the table; says so where it may be repeated."""
    return option.help + ("; repeatable" if option.many else "")


def text() -> str:
    """As plain text, at most 100 columns wide."""
    lines = [*_pairs(USAGE, 34), "", *textwrap.wrap(NAMES, WIDTH)]
    for title, options in groups():
        lines += ["", title, *_pairs([(signature(o), description(o)) for o in options], _COLUMN)]
    return "\n".join([*lines, "", "examples", *_pairs(EXAMPLES, 34), "", SEE])


def markdown() -> str:
    """As Markdown: a table a group."""
    lines = [f"`{usage}` – {what}  " for usage, what in USAGE]
    lines += ["", NAMES.replace("{", "\\{").replace("*", "\\*")]
    for title, options in groups():
        lines += ["", f"| *{title}* | |", "|---|---|"]
        lines += [f"| `{signature(o)}` | {description(o).replace('|', chr(92) + '|')} |" for o in options]
    lines += ["", "| *examples* | |", "|---|---|", *(f"| `{line}` | {what} |" for line, what in EXAMPLES)]
    return "\n".join([*lines, "", SEE])


def docstring() -> str:
    """What `%claude?` shows."""
    return "Ask Claude, and show it dataframes, plots, outputs and errors by name.\n\n" + text()


def _pairs(rows: list[tuple[str, str]] | tuple[tuple[str, str], ...], column: int) -> Iterator[str]:
    for left, right in rows:
        first, *rest = textwrap.wrap(right, WIDTH - column - 2)
        if len(left) + 4 > column:
            yield f"  {left}"
            left = ""
        yield f"  {left:<{column - 2}}{first}".rstrip()
        yield from (" " * column + line for line in rest)
