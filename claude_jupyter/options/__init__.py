"""The one table of options: parsing, `--help`, completion and `claude.ask`'s keywords all derive from it.

Pure data. How one value is checked is `option_values.py`, how a line is split into words `magics/line/words.py`;
what an option does is elsewhere. Nothing here knows IPython.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

from claude_jupyter.errors import UsageError
from claude_jupyter.models import LINES
from claude_jupyter.options.option_values import (
    CellReference,
    Kind,
    allowed_param,
    checked,
    did_you_mean,
    param,
    refuse_key,
)
from claude_jupyter.settings import EFFORTS, THINKING


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table.

    Attributes
    ----------
    name
        The long name without dashes in front: `dry-run`.
    help
        What it does, as in `--help`: no capital, no full stop.
    kind
        What its value is; see `Kind`.
    short
        The letter of `-p`, or None.
    metavar
        How the value is called in `--help`.
    group
        The heading it is under.
    many
        Whether it may be repeated.
    choices
        The allowed values of a `choice`; suggestions for the others.
    """

    name: str
    help: str
    kind: Kind = "flag"
    short: str | None = None
    metavar: str = ""
    group: str = ""
    many: bool = False
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """Its name in Python: `dry_run`."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """Its name on a magic's line: `--dry-run`."""
        return f"--{self.name}"

    @property
    def takes_value(self) -> bool:
        """Whether the next word is its value (for a `count` only if that is a whole number)."""
        return self.kind != "flag"


def _group(title: str, *options: Option) -> tuple[Option, ...]:
    return tuple(replace(option, group=title) for option in options)


OPTIONS: Final[tuple[Option, ...]] = (
    *_group(
        "point at",
        Option("plots", "the N newest images the notebook has shown (default 1)", "count", "p", "N"),
        Option(
            "last", "the last N cells: source, output, errors and images (default 1); all: every cell that ran",
            "count", "l", "N", choices=("all",),
        ),
        Option(
            "cell", "one cell with its outputs, by its number or id; REF:K its K-th output alone", "cell",
            metavar="REF",
        ),
        Option("error", "the last error: traceback, the failing cell, the failing frame's locals", short="e"),
        Option(
            "file", "image, PDF, text, CSV, Parquet, notebook, an image/PDF URL, a glob", "path", "f", "PATH",
            many=True,
        ),
        Option(
            "rows", "rows of a dataframe that may be sent: a number (default 10), none, all", "rows",
            metavar="N", choices=("none", "10", "100", "all"),
        ),
    ),
    *_group(
        "shape the answer",
        Option(
            "model", f"id, or a line for its newest model: {', '.join(LINES)}", "model", "m", "M",
            choices=LINES,
        ),
        Option(
            "returns", "structured output: a Pydantic model, dataclass, TypedDict, list[...], Literal[...], "
            "dataframe", "expression", "r", "TYPE",
        ),
        Option("out", "bind the answer (or the structured value) to NAME", "name", "o", "NAME"),
        Option("code", "insert the answer's code into a new cell below; it is never run"),
        Option(
            "effort", f"how hard to work: {', '.join(EFFORTS)}", "choice", metavar="LEVEL", choices=EFFORTS
        ),
        Option(
            "thinking", "show (summarized, folded), hide, off (as little as the model allows)", "choice",
            metavar="MODE", choices=THINKING,
        ),
        Option(
            "tool", "a Python function Claude may call, or a dict with name and input_schema", "expression",
            "t", "NAME", many=True,
        ),
        Option("web", "let Claude search the web"),
        Option("mcp", "the tools of an MCP server: setting mcp, or .mcp.json next to the notebook", "word", metavar="NAME", many=True),
        Option("look", "let Claude look around in this kernel: variables, values, SQL over frames, cells, help"),
        Option(
            "do", "Claude works in cells below, which you run; auto: harmless ones run automatically", "mode",
            metavar="auto", choices=("auto",),
        ),
    ),
    *_group(
        "this chat",
        Option("chat", "which conversation (default main)", "word", "c", "NAME"),
        Option(
            "new", "start over: earlier turns stay in the transcript but are no longer sent",
            short="n",
        ),
        Option("once", "neither read nor extend the history"),
        Option("system", "system prompt of this chat from this turn on", "text", "s", "TEXT"),
        Option("background", "return at once; the answer keeps streaming and the kernel stays free"),
    ),
    *_group(
        "rarely",
        Option("dry-run", "show what would be sent, its tokens and price; sends nothing, needs no key"),
        Option("no-replay", "ask again even if a recording exists"),
        Option("max-tokens", "maximum length of the answer in tokens, including thinking", "integer", metavar="N"),
        Option("stop", "stop the answer where this text would appear", "text", metavar="TEXT", many=True),
        Option("temperature", "0 to 1, only for models that still support it", "number", metavar="X"),
        Option(
            "param", "any other Messages parameter, and timeout, betas, extra_headers, extra_body", "json",
            metavar="KEY=JSON", many=True,
        ),
        Option("help", "show this help"),
    ),
)  # fmt: skip

BY_LONG: Final[Mapping[str, Option]] = {option.name: option for option in OPTIONS}
BY_SHORT: Final[Mapping[str, Option]] = {option.short: option for option in OPTIONS if option.short}
BY_FIELD: Final[Mapping[str, Option]] = {option.field: option for option in OPTIONS if option.name != "help"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one question: `claude.ask(prompt, **options)` takes these names, the magics too.

    From a magic's line `returns` and `tool` are still expressions in text; from Python they are objects.
    `None` means: as the setting says. What each is for is in `OPTIONS`.
    """

    plots: int = 0
    last: int | Literal["all"] = 0
    cell: CellReference | None = None
    error: bool = False
    file: tuple[str | Path, ...] = ()
    rows: str | None = None
    model: str | None = None
    returns: Any = None
    out: str | None = None
    code: bool = False
    effort: str | None = None
    thinking: str | None = None
    tool: tuple[Any, ...] = ()
    web: bool = False
    mcp: tuple[str, ...] = ()
    look: bool | None = None
    do: bool | Literal["auto"] = False
    chat: str | None = None
    new: bool = False
    once: bool = False
    system: str | None = None
    background: bool = False
    dry_run: bool = False
    no_replay: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    param: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, **options: Any) -> Options:
        """From Python keywords: one value or several where it may be repeated, `True` for a count of 1.

        Raises
        ------
        UsageError
            For a keyword that does not exist (naming the nearest) or a value that is not allowed.
        """
        values: dict[str, Any] = {}
        for name, value in options.items():
            option = BY_FIELD.get(name)
            if option is None:
                raise UsageError(f"there is no option {name!r}{did_you_mean(name, BY_FIELD)}")
            if value is None:
                continue
            values[name] = _python_value(option, value)
        return _consistent(cls(**values))

    @classmethod
    def of_words(cls, words: Iterable[tuple[Option, str | None]]) -> Options:
        """From a magic's line: each option with its value as typed (None: a flag, or a count alone).

        Raises
        ------
        UsageError
            For a value that is not allowed, saying what is.
        """
        values: dict[str, Any] = {}
        for option, text in words:
            refuse_key(text or "")
            if option.kind == "json":
                key, value = param(text or "")
                values.setdefault("param", {})[key] = value
            elif option.many:
                values[option.field] = (*values.get(option.field, ()), _checked(option, text, option.flag))
            else:
                value = 1 if text is None and option.kind == "count" else True if text is None else text
                values[option.field] = _checked(option, value, option.flag)
        return _consistent(cls(**values))


def _python_value(option: Option, value: Any) -> Any:
    if option.kind == "json":
        if not isinstance(value, Mapping):
            raise UsageError('param takes a dict, such as param={"service_tier": "auto"}')
        return dict(allowed_param(key, item) for key, item in cast("Mapping[Any, Any]", value).items())
    if option.many:
        several = isinstance(value, list | tuple | set | frozenset)
        return tuple(_checked(option, item, option.field) for item in (value if several else (value,)))
    return _checked(option, value, option.field)


def _consistent(options: Options) -> Options:
    if options.once and options.new:
        raise UsageError(
            "--once and --new cannot be used together: --once ignores the history, --new starts it over"
        )
    apart = (
        [name for name in ("background", "once", "returns", "code") if getattr(options, name)]
        if options.do
        else []
    )
    if apart:
        raise UsageError(f"--do works in cells and in the history, so it cannot be used with --{apart[0]}")
    if options.code and options.background:
        raise UsageError(
            "--code and --background cannot be used together: a cell that has returned cannot insert one below itself"
        )
    return options


def _checked(option: Option, value: Any, label: str) -> Any:
    return checked(option.kind, value, label, option.choices)
