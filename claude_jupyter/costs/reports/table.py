"""A report as a table: for the terminal, as Markdown, and as HTML that also reads well where styles are stripped."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from claude_jupyter.costs.calls import Sum
from claude_jupyter.costs.summary import Line, Report, day_text
from claude_jupyter.costs.usage import Usage, dollars

SHOWN: Final = 40
_LONGEST: Final = 60
_HEADS: Final = {"cell": "question", "notebook": "notebook"}
_BAR: Final = 74  # pixels of the longest bar
ACCENT: Final = "var(--cj-accent, #c8694a)"
_QUIET: Final = "color: var(--jp-ui-font-color2, #767676)"
_RULE: Final = "1px solid var(--jp-border-color2, rgba(128, 128, 128, .35))"
_EMPTY: Final = {
    True: "No requests in {scope} yet. Ask one with %%claude, or see all of them with --all.",
    False: "No requests yet. Ask one with %%claude in a notebook.",
}


def mimebundle(report: Report) -> dict[str, str]:
    """The report for a notebook: HTML, Markdown and text."""
    return {
        "text/html": to_html(report),
        "text/markdown": to_markdown(report),
        "text/plain": to_text(report),
    }


def facts(report: Report) -> list[str]:
    """What stands below the table, one fact each."""
    total, spent = report.total, report.spent.billed
    said: list[str] = []
    if total.saved > 0:
        said.append(f"caching saved {dollars(total.saved)}")
    elif total.saved < 0:
        said.append(f"caching cost {dollars(-total.saved)} more than it has saved so far")
    if total.unbilled:
        said.append(f"{dollars(total.unbilled)} of it by the demo model, nothing billed")
    if total.thinking_cost:
        said.append(f"thinking {dollars(total.thinking_cost)}")
    if report.kernel:
        said.append(f"this kernel {dollars(spent.kernel)}")
    limit = f" of {dollars(report.daily_budget)}" if report.daily_budget is not None else ""
    said.append(f"today {dollars(spent.day)}{limit}")
    if total.unknown:
        said.append(f"{_count(total.unknown, 'request')} of unknown price, not in the sum")
    if total.estimated:
        said.append(f"{_count(total.estimated, 'stopped answer')} counted as a lower bound (≥)")
    if total.unfinished:
        said.append(f"{_count(total.unfinished, 'request')} under way or lost with the kernel")
    return [*said, f"list prices of {day_text(date.fromisoformat(report.priced))}"]


def to_text(report: Report) -> str:
    """For a terminal."""
    if report.empty:
        return empty(report)
    folded, lines = _fold(report)
    rows = [_cells(line) for line in lines]
    if folded is not None:
        rows.insert(0 if _by_time(report) else len(rows), _cells(folded))
    heads = [_HEADS.get(report.by, report.by), "", "turns", "tokens", "from cache", "cost"]
    total = [_title(report), "", *_figures(report.total)]
    table = [heads, *rows, total]
    widths = [max(len(row[n]) for row in table) for n in range(len(heads))]
    shown = [n for n, width in enumerate(widths) if width]

    def line(row: list[str]) -> str:
        cells = [row[n].ljust(widths[n]) if n < 2 else row[n].rjust(widths[n]) for n in shown]
        return "  ".join(cells).rstrip()

    rule = "─" * len(line(["─" * width for width in widths]))
    return "\n".join([line(heads), rule, *map(line, rows), rule, line(total), "", _wrapped(facts(report))])


def to_markdown(report: Report) -> str:
    """For viewers that show neither HTML nor our own output."""
    if report.empty:
        return f"*{_inert(empty(report))}*"
    folded, lines = _fold(report)
    rows = [[_inert(cell) for cell in _cells(line)] for line in lines]
    if folded is not None:
        rows.insert(0 if _by_time(report) else len(rows), [_inert(cell) for cell in _cells(folded)])
    total = [f"**{_inert(cell)}**" if cell else "" for cell in [_title(report), "", *_figures(report.total)]]
    detailed = any(line.detail for line in lines)
    table = [
        [_HEADS.get(report.by, report.by), "", "turns", "tokens", "from cache", "cost"],
        ["---", "---", "--:", "--:", "--:", "--:"],
        *rows,
        total,
    ]
    kept = [row if detailed else [row[0], *row[2:]] for row in table]
    written = "\n".join(f"| {' | '.join(row)} |" for row in kept)
    return f"{written}\n\n*{_inert(' · '.join(facts(report)))}*"


def to_html(report: Report) -> str:
    """For notebooks. Every amount is an element of its own: two dollar signs in one would be taken for mathematics."""
    if report.empty:
        return f'<p style="{_QUIET}">{html.escape(empty(report))}</p>'
    folded, lines = _fold(report)
    detailed = any(line.detail for line in lines)
    longest = max((line.sum.cost for line in lines), default=Decimal(0))
    body = [_html_row(_cells(line), detailed, _bar(line.sum.cost, longest)) for line in lines]
    if folded is not None:
        body.insert(0 if _by_time(report) else len(body), _html_row(_cells(folded), detailed, "", _QUIET))
    heads = [_HEADS.get(report.by, report.by), "", "turns", "tokens", "from cache", "cost"]
    head = _html_row(heads, detailed, "", f"{_QUIET}; font-weight: 400; border-bottom: {_RULE}", "th")
    total = [_title(report), "", *_figures(report.total)]
    end = _html_row(total, detailed, "", f"font-weight: 600; border-top: {_RULE}")
    said = " · ".join(re.sub(r"(\$[\d.,]+)", r"<span>\1</span>", html.escape(fact)) for fact in facts(report))
    return (
        '<div class="mathjax_ignore tex2jax_ignore" style="font-size: 13px">'
        '<table style="border-collapse: collapse; color: inherit; font: inherit; font-variant-numeric: tabular-nums; margin: 0; border: 0">'
        f"<thead>{head}</thead><tbody>{''.join(body)}{end}</tbody></table>"
        f'<p style="{_QUIET}; font-size: 12px; margin: 6px 0 0">{said}</p></div>'
    )


def empty(report: Report) -> str:
    """What to say where there is nothing to report."""
    since = f" since {day_text(report.since.astimezone())}" if report.since else ""
    return _EMPTY[report.scope != "all notebooks"].format(scope=report.scope + since)


def cost_text(total: Sum) -> str:
    """A sum's dollars: `≥` where they are a lower bound, `unknown` where no price is known."""
    if total.unknown and total.unknown == total.calls:
        return "unknown"
    more = " + unknown" if total.unknown else ""
    return dollars(total.cost, estimated=bool(total.estimated)) + more


def _fold(report: Report) -> tuple[Line | None, tuple[Line, ...]]:
    """The lines that are shown, and the rest as one."""
    by_time = _by_time(report)
    kept = report.lines[-SHOWN:] if by_time else report.lines[:SHOWN]
    if report.by == "turn" and len({line.detail for line in kept}) == 1:
        kept = tuple(replace(line, detail="") for line in kept)  # the one kernel tells nothing apart
    shown = Sum.total(line.sum for line in kept)
    if shown.calls >= report.total.calls:
        return None, kept
    hidden = len(report.lines) - len(kept)
    known = sum(line.sum.calls for line in report.lines) == report.total.calls
    label = f"{hidden:,} {'earlier' if by_time else 'more'}" if known else "earlier"
    return Line(label, "", _rest(report.total, shown)), kept


def _rest(total: Sum, shown: Sum) -> Sum:
    usage = {
        n: getattr(total.usage, n) - getattr(shown.usage, n)
        for n in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    }
    return Sum(
        calls=total.calls - shown.calls, turns=max(total.turns - shown.turns, 0), usage=Usage.from_json(usage),
        billed=total.billed - shown.billed, unbilled=total.unbilled - shown.unbilled,
        unknown=total.unknown - shown.unknown, estimated=total.estimated - shown.estimated,
    )  # fmt: skip


def _by_time(report: Report) -> bool:
    return report.by in ("cell", "turn", "chat", "day")


def _title(report: Report) -> str:
    since = f" since {day_text(report.since.astimezone())}" if report.since else ""
    return report.scope + since


def _cells(line: Line) -> list[str]:
    label = line.label if len(line.label) <= _LONGEST else f"{line.label[: _LONGEST - 2]} …"
    return [label, line.detail, *_figures(line.sum)]


def _figures(total: Sum) -> list[str]:
    share = f"{100 * total.usage.cache_read / total.usage.prompt:.0f} %" if total.usage.prompt else "–"
    return [f"{total.turns:,}", f"{total.usage.total:,}", share, cost_text(total)]


def _html_row(cells: list[str], detailed: bool, bar: str, style: str = "", tag: str = "td") -> str:
    shown: list[tuple[str, str]] = []
    for n, cell in enumerate(cells):
        if n == 1 and not detailed:
            continue
        side = "left" if n < 2 else "right"
        width = "white-space: nowrap; " if n != 0 else "max-width: 34em; overflow-wrap: anywhere; "
        quiet = f"{_QUIET}; " if n == 1 else ""
        shown.append(
            (f"text-align: {side}; padding: 3px 16px 3px 0; {width}{quiet}{style}", html.escape(cell))
        )
    shown.append((f"text-align: left; padding: 3px 0; min-width: {_BAR}px; {style}", bar))
    written = "".join(f'<{tag} style="{css}">{content}</{tag}>' for css, content in shown)
    return f'<tr style="background: none">{written}</tr>'


def _bar(usd: Decimal, longest: Decimal) -> str:
    if not longest:
        return ""
    width = max(round(_BAR * usd / longest), 1 if usd else 0)
    return (
        f'<span style="display: inline-block; width: {width}px; height: 8px; border-radius: 1px;'
        f' background: {ACCENT}"></span>'
    )


def _inert(text: str) -> str:
    """Text that means nothing in Markdown, HTML or TeX."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+\-.!|~$^:@])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _wrapped(said: list[str], width: int = 100) -> str:
    lines = [""]
    for fact in said:
        joined = f"{lines[-1]} · {fact}" if lines[-1] else fact
        if lines[-1] and len(joined) > width:
            lines.append(fact)
        else:
            lines[-1] = joined
    return "\n".join(lines)
