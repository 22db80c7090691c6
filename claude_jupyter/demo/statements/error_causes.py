"""The cause of an error in a sentence, and the cell with that cause fixed, if a rule can do it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from claude_jupyter.demo.statements.wording import code, listed

_CELL: Final = re.compile(
    r"the failing cell:\n(.*?)\n\n(?=Traceback|\w+(?:Error|Exception|Warning)\b)", re.DOTALL
)
_LAST: Final = re.compile(r"^([A-Z]\w*(?:Error|Exception|Interrupt|Iteration|Warning)\b.*)$", re.MULTILINE)
_ARROW: Final = re.compile(r"^  -->\s+\d+ (.*)$", re.MULTILINE)
_CELL_FRAME: Final = re.compile(r"^  cell, line (\d+), in (\S+)\n((?:  (?:-->)?\s+\d+ .*\n)+)", re.MULTILINE)
_VARIABLE: Final = re.compile(r"^  (\w+) = (.*)$", re.MULTILINE)
_FRAME: Final = re.compile(r"DataFrame [\d,]+ × [\d,]+: (.*)$")
_IMPORTS: Final = {
    "np": "import numpy as np", "pd": "import pandas as pd", "pl": "import polars as pl",
    "plt": "import matplotlib.pyplot as plt", "sns": "import seaborn as sns", "px": "import plotly.express as px",
    "alt": "import altair as alt", "Path": "from pathlib import Path", "datetime": "from datetime import datetime",
}  # fmt: skip
_MODULES: Final = frozenset(("math", "json", "re", "os", "sys", "random", "itertools", "collections", "time"))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What went wrong.

    Attributes
    ----------
    cause
        One or two sentences.
    cell
        The cell that failed; empty if it was not sent.
    corrected
        The cell without the cause; empty if no rule can remove it.
    """

    cause: str
    cell: str
    corrected: str = ""


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error as it was sent."""

    kind: str
    message: str
    cell: str
    line: str
    variables: dict[str, str]
    labels: Sequence[str]

    @property
    def columns(self) -> dict[str, list[str]]:
        """Column names by the variable that holds the dataframe."""
        matches = {name: _FRAME.search(about) for name, about in self.variables.items()}
        return {
            name: [c.rpartition(" ")[0] for c in match[1].split(", ") if " " in c]
            for name, match in matches.items()
            if match
        }


def diagnose(text: str, labels: Sequence[str] = ()) -> Diagnosis | None:
    """The error in an attachment's text.

    Parameters
    ----------
    text
        As attached: the failing cell, the traceback, the variables available.
    labels
        Names of what was shown earlier: they are defined.
    """
    ends = _LAST.findall(text.partition("\nvariables in ")[0])
    if not ends:
        return None
    kind, _, message = str(ends[-1]).partition(": ")
    cell = _CELL.search(text)
    frames = _CELL_FRAME.findall(text)
    arrows = _ARROW.findall(frames[-1][2]) if frames else _ARROW.findall(text)
    failure = _Failure(
        kind,
        message.strip(),
        cell[1].strip("\n") if cell else "",
        arrows[-1].strip() if arrows else "",
        dict(_VARIABLE.findall(text)),
        labels,
    )
    rule = _RULES.get(kind, _plain)
    return rule(failure)


def _where(failure: _Failure) -> str:
    return f" in {code(failure.line)}" if failure.line else ""


def _plain(failure: _Failure) -> Diagnosis:
    message = f", saying “{failure.message}”" if failure.message else ""
    return Diagnosis(f"{code(failure.kind)} was raised{_where(failure)}{message}.", failure.cell)


def _name(failure: _Failure) -> Diagnosis:
    match = re.search(r"name '(\w+)' is not defined", failure.message)
    if match is None:
        return _plain(failure)
    wrong = match[1]
    words = {*re.findall(r"[^\W\d]\w*", failure.cell), *failure.variables, *failure.labels} - {wrong}
    near = get_close_matches(wrong, sorted(words), n=1, cutoff=0.7)
    cause = f"The name {code(wrong)} is not defined"
    if near:
        text = re.sub(rf"\b{re.escape(wrong)}\b", near[0], failure.cell)
        return Diagnosis(
            f"{cause}; {code(near[0])}, which is, differs only in its spelling.", failure.cell, text
        )
    line = _IMPORTS.get(wrong) or (f"import {wrong}" if wrong in _MODULES else "")
    if line:
        return Diagnosis(
            f"{cause}: its import is missing in this kernel.", failure.cell, f"{line}\n\n{failure.cell}"
        )
    return Diagnosis(
        f"{cause} when {code(failure.line or wrong)} runs: run the cell that defines it first.", failure.cell
    )


def _key(failure: _Failure) -> Diagnosis:
    match = re.fullmatch(r"""(?:Column not found: )?['"](.+)['"]""", failure.message)
    key = match[1] if match else failure.message
    for name, columns in failure.columns.items():
        if key in columns:
            continue
        near = _near(key, columns)
        cause = f"{code(name)} has no column {code(key)}. Its columns are {listed(columns[:12])}."
        if near:
            also = f" ({listed(near[1:])} is just as close)" if len(near) > 1 else ""
            nearest = near[0].replace("\\", r"\\")
            text = re.sub(rf"""(['"]){re.escape(key)}\1""", rf"\g<1>{nearest}\g<1>", failure.cell)
            corrected = text if text != failure.cell else ""
            return Diagnosis(
                f"{cause} The closest is {code(near[0])}{also}; the cell below uses that one."
                if corrected
                else cause,
                failure.cell,
                corrected,
            )
        return Diagnosis(cause, failure.cell)
    return Diagnosis(f"The key {code(key)} is not there{_where(failure)}.", failure.cell)


def _near(key: str, names: Sequence[str]) -> list[str]:
    """The names that are nearest: those that begin with it, else those spelled alike."""
    lower = key.lower()
    begin = [name for name in names if name.lower().startswith(lower) or lower == name.lower().strip()]
    return begin or get_close_matches(key, names, n=1, cutoff=0.6)


def _attribute(failure: _Failure) -> Diagnosis:
    match = re.search(r"'?(\w+)'? (?:object )?has no attribute '(\w+)'", failure.message)
    if match is None:
        return _plain(failure)
    owner, wrong = match[1], match[2]
    hint = re.search(r"Did you mean: '(\w+)'", failure.message)
    columns = [c for names in failure.columns.values() for c in names if c.isidentifier()]
    near = [hint[1]] if hint else _near(wrong, columns)
    cause = f"A {code(owner)} has no attribute {code(wrong)}{_where(failure)}"
    if not near:
        return Diagnosis(f"{cause}.", failure.cell)
    text = re.sub(rf"\.{re.escape(wrong)}\b", f".{near[0]}", failure.cell)
    return Diagnosis(f"{cause}; {code(near[0])} is the closest one it has.", failure.cell, text)


def _module(failure: _Failure) -> Diagnosis:
    match = re.search(r"No module named '([\w.]+)'", failure.message)
    if match is None:
        return _plain(failure)
    name = match[1].partition(".")[0]
    return Diagnosis(
        f"The package {code(name)} is not installed in this kernel's environment; the cell below installs it first.",
        failure.cell,
        f"%pip install {name}\n\n{failure.cell}",
    )


def _value(failure: _Failure) -> Diagnosis:
    match = re.search(
        r"(?:could not convert string to float|invalid literal for int\(\).*): (.+)", failure.message
    )
    if match is None:
        return _plain(failure)
    cause = f"The string {code(match[1])} is not a number, so the conversion fails{_where(failure)}."
    text = re.sub(
        r"([\w.]+(?:\[[^\]\n]+\])?)\.astype\((?:float|int|['\"](?:float|int)(?:64)?['\"])\)",
        r'pd.to_numeric(\1, errors="coerce")',
        failure.cell,
    )
    if text == failure.cell:
        return Diagnosis(cause, failure.cell)
    return Diagnosis(
        f'{cause} With `errors="coerce"` such strings become missing values instead.', failure.cell, text
    )


def _zero(failure: _Failure) -> Diagnosis:
    zeros = [name for name, about in failure.variables.items() if about in ("0", "0.0")]
    who = f": {listed(zeros)} is 0 there" if zeros else ""
    return Diagnosis(f"Division by zero{_where(failure)}{who}.", failure.cell)


def _file(failure: _Failure) -> Diagnosis:
    match = re.search(r"'(.+)'", failure.message)
    name = code(match[1]) if match else "The file"
    return Diagnosis(
        f"{name} does not exist in the kernel's working directory (`%pwd` shows which).", failure.cell
    )


def _syntax(failure: _Failure) -> Diagnosis:
    cause = f"The cell is not Python: {failure.message.partition(' (')[0]}{_where(failure)}."
    if "expected ':'" in failure.message and failure.line in failure.cell:
        return Diagnosis(cause, failure.cell, failure.cell.replace(failure.line, f"{failure.line}:", 1))
    return Diagnosis(cause, failure.cell)


_RULES: Final[dict[str, Callable[[_Failure], Diagnosis]]] = {
    "NameError": _name,
    "KeyError": _key,
    "ColumnNotFoundError": _key,
    "AttributeError": _attribute,
    "ModuleNotFoundError": _module,
    "ValueError": _value,
    "ZeroDivisionError": _zero,
    "FileNotFoundError": _file,
    "SyntaxError": _syntax,
}
