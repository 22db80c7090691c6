"""How the demo model works in cells: look at a table, clean it, compare groups, plot them, conclude; by rules, from what each cell showed.

Where the tool `run_cell` is offered it proposes one cell after the other. The comparison is tried in its simplest form first, the mean of
every column, which pandas refuses where one of them is text; the error that comes back is what the correction is made from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.demo import looking
from claude_jupyter.demo.oracle.signing import as_blocks
from claude_jupyter.demo.request_reader import ParsedRequest, read
from claude_jupyter.demo.script import Body, Call, Piece, Say
from claude_jupyter.demo.statements.profile_text import Frame
from claude_jupyter.demo.statements.wording import brief, code, counted, listed, named_in, number

TOOL: Final = "run_cell"
_GROUPS: Final = 30
_COLUMNS: Final = 4
_LOOK, _CLEAN, _COMPARE, _PLOT = "Look at the columns of", "Clean", "Compare", "Plot"
_DATE: Final = re.compile(r"(?:^|_|\b)(date|day|time|month|when|timestamp)(?:$|_|\b)", re.IGNORECASE)
_ERROR: Final = re.compile(r"^(\w+(?:Error|Exception)\b.*)$", re.MULTILINE)
_WITHHELD_ERROR: Final = re.compile(r"failed with (\w+)")
_SAYS: Final = re.compile(r"The user did not run this cell, and says: (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A cell that was proposed, with the outcome."""

    title: str
    source: str
    outcome: str

    @property
    def error(self) -> str:
        """The error it ended with; empty if it ran through."""
        errors = (_ERROR.findall(self.outcome) if "Traceback (most recent" in self.outcome else []) or (
            _WITHHELD_ERROR.findall(self.outcome)
        )
        return str(errors[-1]) if errors else ""

    @property
    def skipped(self) -> bool:
        """Whether the user did not run it."""
        return self.outcome.startswith("The user did not run this cell")

    @property
    def ran(self) -> bool:
        """Whether it ran through."""
        return not (self.error or self.skipped) and "<attachment" in self.outcome


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the first cell showed it."""

    name: str
    dtype: str
    missing: int
    distinct: int

    @property
    def is_number(self) -> bool:
        """Whether it has a mean."""
        return bool(re.match(r"u?int|float", self.dtype, re.IGNORECASE))

    @property
    def is_time(self) -> bool:
        """Whether it holds dates."""
        return self.dtype.startswith("datetime")

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return bool(re.match(r"str|object|string|category", self.dtype))

    @property
    def is_date_text(self) -> bool:
        """Whether it holds dates as text, by its name."""
        return self.is_text and self.distinct > 2 and bool(_DATE.search(self.name))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is worked on, and the names that the work binds."""

    table: str
    columns: tuple[Column, ...]
    prompt: str
    clean: str
    means: str

    @property
    def measures(self) -> list[Column]:
        """The number columns to compare, the one that the question names first."""
        numbers = [c for c in self.columns if c.is_number and not c.name.lower().endswith("id")]
        numbers.sort(key=lambda c: not named_in(c.name, self.prompt))
        wide = sum(len(c.name) for c in numbers[:_COLUMNS]) > 50
        return numbers[: 2 if wide else _COLUMNS]

    @property
    def time(self) -> Column | None:
        """The column of dates."""
        return next((c for c in self.columns if c.is_time or c.is_date_text), None)

    @property
    def group(self) -> Column | None:
        """What to compare by: a column that the question names, else months, else the first with few values."""
        few = [c for c in self.columns if c.is_text and 1 < c.distinct <= _GROUPS and not c.is_date_text]
        named = [c for c in few if named_in(c.name, self.prompt)]
        return next(iter((*named, *([self.time] if self.time else []), *few)), None)

    @property
    def by(self) -> str:
        """The group in words."""
        group = self.group
        return "" if group is None else "month" if group is self.time else group.name


def offered(tools: Sequence[Mapping[str, Any]]) -> bool:
    """Whether cells can be proposed."""
    return any(tool.get("name") == TOOL for tool in tools)


def reply(body: Body, who: str) -> Sequence[Piece] | None:
    """The next cell with the words before it, or the conclusion; None if there is no pandas dataframe to work on.

    Parameters
    ----------
    who
        The line that says who answered.
    """
    question, steps, request = _so_far(body)
    table, frame, in_use = _subject(request, question)
    if not table:
        return None
    columns = _columns(steps, frame)
    names = _free(f"{table if table.isidentifier() else 'table'}_clean", in_use), _free("means", in_use)
    plan = Plan(table, columns, question, *names)
    words, cell = _next(plan, steps)
    if cell is None:
        return (Say(f"{words}\n\n{who}"),)
    title, source = cell
    return (Say(f"{words}\n"), Call(TOOL, {"title": title, "code": source}))


def _next(plan: Plan, steps: Sequence[Step]) -> tuple[str, tuple[str, str] | None]:
    """What to say, and the cell to propose; no cell at the end."""
    if not steps:
        return f"First, I'll look at what {code(plan.table)} contains.", _look(plan)
    last = steps[-1]
    if last.error:
        return _after_error(plan, steps)
    if last.skipped and (other := _other_statistic(plan, last)):
        return other
    if not plan.columns:
        return "The cell's output does not show the columns, so I cannot continue from it.", None
    if last.title.startswith(_LOOK):
        return f"{_about_columns(plan)} {_about_cleaning(plan)}", _clean(plan)
    if last.title.startswith(_CLEAN):
        return _after_cleaning(plan, last)
    if last.title.startswith(_COMPARE) and last.ran:
        return f"{_extremes(plan, last, 1) or 'That worked.'} A plot will show the whole picture.", _plot(
            plan
        )
    return _conclusion(plan, steps), None


def _after_error(plan: Plan, steps: Sequence[Step]) -> tuple[str, tuple[str, str] | None]:
    error = code(steps[-1].error)
    if not _correctable(plan, steps):
        return f"The cell ended with {error}, and the demo has no rule for it, so it stops here.", None
    text = listed([c.name for c in plan.columns if c.is_text and c is not plan.group]) or "one column"
    words = f"That failed: {error}. A mean of text ({text}) is not possible, so I'll use only the numeric columns."
    return words, _compare(plan, whole=False)


def _after_cleaning(plan: Plan, last: Step) -> tuple[str, tuple[str, str] | None]:
    if not plan.measures or plan.group is None:
        return f"{_about_rows(last)} It has no grouped numbers that could be compared.", None
    return f"{_about_rows(last)} Next, I'll compare by {plan.by}.", _compare(plan, whole=True)


def _correctable(plan: Plan, steps: Sequence[Step]) -> bool:
    last = steps[-1]
    failures = sum(bool(step.error) for step in steps)
    return last.title.startswith(_COMPARE) and failures == 1 and bool(plan.measures)


def _other_statistic(plan: Plan, last: Step) -> tuple[str, tuple[str, str]] | None:
    """The comparison again with the statistic that the user asked for in words."""
    match = _SAYS.search(last.outcome)
    word = re.search(r"\b(median|max|min|sum|std)\b", match[1]) if match else None
    if word is None or not last.title.startswith(_COMPARE) or not plan.measures:
        return None
    title, source = _compare(plan, whole=False)
    return f"Then with the {word[1]}.", (f"{title}, {word[1]}", source.replace(".mean()", f".{word[1]}()"))


# -- The cells ------------------------------------------------------------------------------------------------------------


def _q(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _look(plan: Plan) -> tuple[str, str]:
    t = plan.table
    return (
        f"{_LOOK} {t}",
        "import pandas as pd\n\n"
        f'pd.DataFrame({{"dtype": {t}.dtypes.astype(str), "missing": {t}.isna().sum(), "distinct": {t}.nunique()}})',
    )


def _clean(plan: Plan) -> tuple[str, str]:
    missing = [c.name for c in plan.columns if c.missing]
    source = f"{plan.clean} = {plan.table}.drop_duplicates()"
    if missing:
        source += f".dropna(subset={json.dumps(missing, ensure_ascii=False)})"
    if plan.time is not None and plan.time.is_date_text:
        name = _q(plan.time.name)
        source += f".assign(**{{{name}: pd.to_datetime({plan.table}[{name}])}})"
    rows = f'print(f"{{len({plan.table}):,}} rows before, {{len({plan.clean}):,}} after")'
    return f"{_CLEAN} {plan.table}", f"{source}\n{rows}"


def _compare(plan: Plan, whole: bool) -> tuple[str, str]:
    """The means by group: of all columns as a first try, or of the number columns."""
    group = plan.group
    assert group is not None
    key = _q(group.name)
    by = f'{plan.clean}[{key}].dt.month.rename("month")' if group is plan.time else key
    others = [c for c in plan.columns if c.is_text and c is not group and not c.is_date_text]
    chosen = (
        "" if whole and others else f"[{json.dumps([c.name for c in plan.measures], ensure_ascii=False)}]"
    )
    source = f"{plan.means} = {plan.clean}.groupby({by}){chosen}.mean().round(2)\n{plan.means}"
    return f"{_COMPARE} by {plan.by}", source


def _plot(plan: Plan) -> tuple[str, str]:
    name = plan.measures[0].name
    return (
        f"{_PLOT} {name} by {plan.by}",
        "import matplotlib.pyplot as plt\n\n"
        'fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")\n'
        f"ax.bar({plan.means}.index.astype(str), {plan.means}[{_q(name)}])\n"
        f"ax.set_xlabel({_q(plan.by)})\n"
        f"ax.set_ylabel({_q(name)})\n"
        "plt.show()",
    )


# -- What is said ---------------------------------------------------------------------------------------------------------


def _about_columns(plan: Plan) -> str:
    numbers = sum(c.is_number for c in plan.columns)
    missing = [f"{code(c.name)} ({c.missing:,})" for c in plan.columns if c.missing]
    gaps = f"values are missing in {', '.join(missing)}" if missing else "no value is missing"
    are = "is" if numbers == 1 else "are"
    return f"Of its {counted(len(plan.columns), 'column')} {numbers} {are} numbers; {gaps}."


def _about_cleaning(plan: Plan) -> str:
    steps = ["drop duplicate rows"]
    if any(c.missing for c in plan.columns):
        steps.append("drop incomplete ones")
    if plan.time is not None and plan.time.is_date_text:
        steps.append(f"parse {code(plan.time.name)}, whose dates are text")
    actions = steps[0] if len(steps) == 1 else f"{', '.join(steps[:-1])} and {steps[-1]}"
    return f"Next, I'll {actions}, in a copy."


def _about_rows(step: Step) -> str:
    match = re.search(r"([\d,]+) rows before, ([\d,]+) after", step.outcome)
    if match is None:
        return "The copy is ready."
    before, after = match[1], match[2]
    return f"All {before} rows are kept." if before == after else f"{after} of {before} rows are left."


def _extremes(plan: Plan, step: Step, most: int) -> str:
    """Where the compared numbers are highest and lowest, out of the table that the cell showed."""
    names = [c.name for c in plan.measures]
    rows = [line.rsplit(None, len(names)) for line in step.outcome.splitlines()]
    table = [
        (row[0].strip(), [number(value) for value in row[1:]]) for row in rows if len(row) == len(names) + 1
    ]
    table = [(label, values) for label, values in table if None not in values]
    if len(table) < 2:
        return ""
    sentences: list[str] = []
    statistic = step.title.partition(", ")[2] or "mean"
    for k, name in enumerate(names[:most]):
        pairs = [(value, label) for label, values in table if (value := values[k]) is not None]
        top, bottom = max(pairs), min(pairs)
        sentences.append(
            f"The {statistic} of {code(name)} is the same in every {plan.by} ({brief(top[0])})."
            if top[0] == bottom[0]
            else f"The {statistic} of {code(name)} is highest in {plan.by} {code(top[1])} ({brief(top[0])}) and lowest in "
            f"{code(bottom[1])} ({brief(bottom[0])})."
        )
    return " ".join(sentences)


def _conclusion(plan: Plan, steps: Sequence[Step]) -> str:
    compared = next((s for s in reversed(steps) if s.title.startswith(_COMPARE) and s.ran), None)
    cleaned = next((s for s in reversed(steps) if s.title.startswith(_CLEAN) and s.ran), None)
    parts = [_about_rows(cleaned)] if cleaned else []
    extremes = _extremes(plan, compared, 3) if compared else ""
    parts.append(extremes or "What the cells showed contains no numbers that the demo can read back.")
    names = [n for n, step in ((plan.clean, cleaned), (plan.means, compared)) if step]
    if names:
        parts.append(
            f"{listed(names)} {'is' if len(names) == 1 else 'are'} ready for further work; {code(plan.table)} is unchanged."
        )
    return " ".join(parts)


# -- Reading the conversation ---------------------------------------------------------------------------------------------


def _so_far(body: Body) -> tuple[str, list[Step], ParsedRequest]:
    """The question that began the work, its cells since, and what came with it."""
    messages: Sequence[Mapping[str, Any]] = body.get("messages") or ()
    begun = max((k for k, m in enumerate(messages) if m["role"] == "user" and not _results(m)), default=0)
    request = read({**body, "messages": messages[: begun + 1]})
    results = {str(b["tool_use_id"]): _text(b) for m in messages[begun:] for b in _results(m)}
    steps = [
        Step(str(b["input"].get("title")), str(b["input"].get("code")), results[b["id"]])
        for m in messages[begun:]
        for b in as_blocks(m["content"])
        if b.get("type") == "tool_use" and b.get("name") == TOOL and b["id"] in results
    ]
    return request.prompt, steps, request


def _results(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [b for b in as_blocks(message["content"]) if b.get("type") == "tool_result"]


def _text(block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    return (
        content
        if isinstance(content, str)
        else "\n".join(b["text"] for b in content if b.get("type") == "text")
    )


def _subject(request: ParsedRequest, question: str) -> tuple[str, Frame | None, set[str]]:
    """The dataframe to work on, its profile if it was sent, and the names that are taken."""
    frames = [k for k in looking.variables(request) if k.is_frame and k.kind.startswith("pandas DataFrame")]
    in_use = {k.name for k in looking.variables(request)}
    for frame in (*request.frames, *request.before):
        if (
            frame.library == "pandas"
            and "DataFrame" in frame.title
            and re.fullmatch(r"[^\W\d]\w*", frame.label)
        ):
            return frame.label, frame, in_use
    words = set(re.findall(r"\w+", question))
    named = next((k for k in frames if k.name in words), frames[0] if frames else None)
    return (named.name if named else ""), None, in_use


def _free(name: str, in_use: set[str]) -> str:
    """The name, numbered where it is taken."""
    return next(n for n in (name, *(f"{name}_{k}" for k in range(2, 1000))) if n not in in_use)


def _columns(steps: Sequence[Step], frame: Frame | None) -> tuple[Column, ...]:
    look = next((s for s in steps if s.title.startswith(_LOOK) and s.ran), None)
    rows = [line.rsplit(None, 3) for line in look.outcome.splitlines()] if look else []
    columns = [
        Column(r[0].strip(), r[1], int(r[2]), int(r[3]))
        for r in rows
        if len(r) == 4 and r[2].isdigit() and r[3].isdigit()
    ]
    if not columns and frame is not None:
        columns = [Column(c.name, c.dtype, c.nulls, c.distinct) for c in frame.columns]
    return tuple(columns)
