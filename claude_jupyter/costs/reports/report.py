"""`%claude_cost` and `claude-jupyter cost`: their options, the CSV file, repricing, and the shell command.

What a report says is `summary.py`, how it looks `table.py` and `chart.py`.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn

from claude_jupyter.costs import prices
from claude_jupyter.costs.ledger.calls import UNBILLED, Accounts, CallOutcome, Where
from claude_jupyter.costs.ledger.opening import open_ledger
from claude_jupyter.costs.reports import chart, table
from claude_jupyter.costs.reports.summary import BY, By, Report, report
from claude_jupyter.costs.usage import TTL, Usage
from claude_jupyter.errors import ClaudeError, StorageError, UsageError
from claude_jupyter.settings import configured, user_name

__all__ = [
    "ReportOptions",
    "main",
    "options",
    "parse",
    "recorded_kernel",
    "recorded_notebook",
    "report",
    "reprice",
    "repriced",
    "write_csv",
]

_FIGURES: Final = (
    "requests", "turns", "input_tokens", "cache_write_5m", "cache_write_1h", "cache_read", "output_tokens",
    "thinking_tokens", "web_searches", "cost_usd", "not_billed_usd", "saved_by_caching_usd", "thinking_usd",
    "unknown_price", "lower_bounds", "unfinished",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options as given; `kernel` is None, an id, or empty for this kernel."""

    by: By | None = None
    since: datetime | None = None
    notebook: str | None = None
    kernel: str | None = None
    everything: bool = False
    plot: bool = False
    csv: Path | None = None
    reprice: bool = False
    help: str = ""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """argparse's own words as ours are: the option first, then what it takes."""
        text = message.removeprefix("argument ").replace(": expected one argument", " needs a value")
        text = text.replace(": not allowed with argument", " cannot go with").replace(": takes", " takes")
        if wrong := re.match(r"--by: invalid choice: '(.*?)'", text):
            text = f"--by takes {', '.join(BY)}, not {wrong[1]!r}"
            self._refuse(text, wrong[1], BY)
        self._refuse(text)

    def refuse(self, word: str) -> NoReturn:
        """A word that is not an option."""
        if not word.startswith("-"):
            self._refuse(f"{self.prog} takes options only, not {word!r}")
        name = word.partition("=")[0]
        options = [option for action in self._actions for option in action.option_strings]
        self._refuse(f"there is no option {name}", name, options)

    def _refuse(self, text: str, word: str = "", choices: Sequence[str] = ()) -> NoReturn:
        near = difflib.get_close_matches(word, choices, 1)
        raise UsageError(f"{text}; did you mean {near[0]}?" if near else f"{text}; see `{self.prog} --help`")


def options(prog: str = "%claude_cost") -> _Parser:
    """The options, for help and completion."""
    parser = _Parser(
        prog=prog,
        add_help=False,
        description="What was spent: a table, and a chart with --plot.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Prices are list prices; the ledger is the table `calls` in ledger.db, your SQLite file, or in your team's database.",
    )
    parser.add_argument(
        "--by",
        choices=BY,
        help="what each row is (default: cell, or turn where cells have no ids; in a shell: day)",
    )
    parser.add_argument(
        "--since", type=_since, metavar="DATE", help="from this day on: 2026-11-01, today, yesterday or 7d"
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument(
        "--notebook", metavar="PATH", help="only this notebook (default in a notebook: this one)"
    )
    scope.add_argument(
        "--kernel", nargs="?", const="", metavar="ID", help="only this kernel, or the one with this id"
    )
    scope.add_argument("--all", action="store_true", dest="everything", help="all notebooks and kernels")
    parser.add_argument("--plot", action="store_true", help="also draw a bar chart over time")
    parser.add_argument("--csv", type=_path, metavar="PATH", help="write the table to a CSV file")
    parser.add_argument("--reprice", action="store_true", help="recompute the prices of past requests first")
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    return parser


def parse(words: Sequence[str], prog: str = "%claude_cost") -> ReportOptions:
    """Read the options.

    Raises
    ------
    UsageError
        For one that is not known, or a value that is not allowed.
    """
    parser = options(prog)
    namespace, rest = parser.parse_known_args(list(words))
    if rest:
        parser.refuse(rest[0])
    values = vars(namespace)
    wants_help = values.pop("help")
    return ReportOptions(**values, help=parser.format_help() if wants_help else "")


def write_csv(report: Report, path: Path, confirm: Callable[[str], bool | None] | None) -> bool:
    """Write a report's lines as CSV; whether it was written.

    Parameters
    ----------
    confirm
        ReportOptions before a file that exists is replaced; None if nobody can answer.

    Raises
    ------
    StorageError
        If it exists and nobody can be asked, or it cannot be written.
    """
    if path.exists() or path.is_symlink():
        if path.is_dir():
            raise StorageError(f"{path.name} is a folder; --csv takes a file path.")
        if confirm is None:
            raise StorageError(
                f"{path.name} exists and was left unchanged. Give --csv another name, or remove it first."
            )
        if not confirm(f"{path.name} exists. Replace it?"):
            return False
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([report.by, "where", *_FIGURES])
    for line in report.lines:
        s, u = line.sum, line.sum.usage
        label = s.key[0].isoformat() if report.by == "day" else line.label
        writer.writerow([
            label, line.detail, s.calls, s.turns, u.input, u.cache_write_5m, u.cache_write_1h, u.cache_read,
            u.output, u.thinking, u.web_searches, _plain(s.billed), _plain(s.unbilled), _plain(s.saved),
            _plain(s.thinking_cost), s.unknown, s.estimated, s.unfinished,
        ])  # fmt: skip
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text.getvalue(), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageError(f"{path.name} cannot be written: {error.strerror}.") from None
    return True


def recorded_notebook(ledger: Accounts, name: str | None) -> str | None:
    """The notebook as the ledger names it: its path below the server's root, of which a shell may know only the end."""
    if name is None:
        return None
    notebooks = [s.key[0] for s in ledger.sums(("notebook",), Where()) if s.key[0]]
    if name in notebooks:
        return name
    ends = [path for path in notebooks if Path(path).name == Path(name).name]
    return ends[0] if len(ends) == 1 else name


def recorded_kernel(ledger: Accounts, name: str | None) -> str | None:
    """A kernel's id, of which the tables show the beginning only."""
    if not name:
        return name
    kernels = [s.key[0] for s in ledger.sums(("kernel",), Where()) if s.key[0]]
    begun = [kernel for kernel in kernels if kernel.startswith(name)]
    return begun[0] if name not in kernels and len(begun) == 1 else name


def reprice(ledger: Accounts, *, overrides: prices.Prices | None = None, where: Where | None = None) -> int:
    """Price past requests again, each at the prices of its own day; what was recorded then is kept beside.

    Rows whose price is (still) not known, and requests that were not billed, stay as they are.

    Returns
    -------
    int
        How many rows changed.
    """
    return ledger.reprice(_priced_again(ledger.rows(where or Where()), overrides))


def repriced(ledger: Accounts, overrides: prices.Prices | None) -> str:
    """Price past requests again, and say how many were."""
    count = reprice(ledger, overrides=overrides)
    return f"{count:,} {'request was' if count == 1 else 'requests were'} repriced."


def main(argv: Sequence[str] | None = None) -> int:
    """`claude-jupyter cost`: print a report; the exit status."""
    try:
        return _main(parse(sys.argv[1:] if argv is None else argv, "claude-jupyter cost"))
    except ClaudeError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 1


def _main(options: ReportOptions) -> int:
    if options.help:
        _say(options.help)
        return 0
    if options.kernel == "":
        raise UsageError("--kernel needs a kernel id here; `claude-jupyter cost --by kernel` lists them.")
    settings = configured()
    ledger = open_ledger(settings.ledger, warn=lambda line: print(line, file=sys.stderr))  # noqa: T201
    if options.reprice:
        _say(repriced(ledger, settings.prices))
    limit = Decimal(str(settings.daily_budget)) if settings.daily_budget else None
    result = report(
        ledger,
        by=options.by or (None if options.notebook or options.kernel else "day"),
        since=options.since,
        notebook=recorded_notebook(ledger, options.notebook),
        kernel=recorded_kernel(ledger, options.kernel),
        user=user_name(settings),
        daily_budget=limit,
        everything=options.csv is not None,
    )
    _say(table.to_text(result))
    if options.plot and not result.empty:
        _say("\n" + chart.to_text(result))
    if options.csv is not None:
        ask = _ask if sys.stdin.isatty() else None
        _say(
            f"Written to {options.csv}."
            if write_csv(result, options.csv, ask)
            else f"{options.csv} was left unchanged."
        )
    ledger.close()
    return 0


def _priced_again(
    rows: Iterator[dict[str, Any]], overrides: prices.Prices | None
) -> Iterator[tuple[str, CallOutcome]]:
    for row in rows:
        if row["seconds"] is None or row["provider"] in UNBILLED or row["cost_usd"] == "0":
            continue
        counted = Usage(row["input_tokens"], row["output_tokens"], row["cache_read"], row["cache_write_5m"],
                        row["cache_write_1h"], 0, row["web_searches"])  # fmt: skip
        wire = _wire(row["usage_json"])
        ttl = _ttl(wire, counted)
        # The service's own counts say more (models of rounds, speed, geo); without them the columns do.
        usage: Usage | Mapping[str, Any] = counted if ttl is None else wire
        terms: dict[str, Any] = {
            "at": datetime.fromisoformat(row["at"]),
            "ttl": ttl or "5m",
            "batch": row["service_tier"] == "batch",
            "overrides": overrides,
        }
        cost = prices.price(usage, row["model"] or "", **terms)
        if cost is None:
            continue
        yield (
            row["id"],
            CallOutcome(
                usage=Usage.from_wire(wire) if ttl else counted,
                cost=cost,
                price_date=prices.priced_on(row["model"] or "", terms["at"], overrides),
            ),
        )


def _wire(text: str | None) -> dict[str, Any]:
    try:
        wire = json.loads(text or "{}")
    except ValueError:
        return {}
    return wire if isinstance(wire, dict) else {}


def _ttl(wire: Mapping[str, Any], counted: Usage) -> TTL | None:
    """The lifetime under which the service's counts give the row's; None if they do not."""
    lifetimes: tuple[TTL, ...] = ("5m", "1h")
    for ttl in lifetimes:
        if wire and Usage.from_wire(wire, ttl=ttl).to_json() == counted.to_json():
            return ttl
    return None


def _since(text: str) -> datetime:
    today = date.today()
    word = text.strip().lower()
    try:
        if word in ("today", "yesterday"):
            day = today - timedelta(days=word == "yesterday")
        elif word.endswith("d") and word[:-1].isdigit():
            day = today - timedelta(days=int(word[:-1]))
        elif len(word) > 10:
            return datetime.fromisoformat(text.strip()).astimezone()
        else:
            day = date.fromisoformat(word)
        return datetime.combine(day, clock.min).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"takes a day, for example {today:%Y-%m}-01, today, yesterday or 7d, not {text!r}"
        ) from None


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~somebody who is not here
        raise argparse.ArgumentTypeError(f"takes a file path, not {text!r} ({error})") from None


def _plain(usd: Any) -> str:
    return f"{usd:f}"


def _say(text: str) -> None:
    print(text)  # noqa: T201


def _ask(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
