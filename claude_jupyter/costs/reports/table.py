"""A report as a table: for the terminal, as Markdown, and as HTML that also reads well without styles."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from claude_jupyter.costs.ledger.calls import Sum
from claude_jupyter.costs.reports.summary import Report, ReportLine, day_text
from claude_jupyter.costs.usage import Usage, dollars

MOST_LINES: Final = 40
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
    """What is below the table, one fact each."""
    total, spent = report.total, report.spent.billed
    parts: list[str] = []
    if total.saved > 0:
        parts.append(f"caching saved {dollars(total.saved)}")
    elif total.saved < 0:
        parts.append(f"caching cost {dollars(-total.saved)} more than it has saved so far")
    if total.unbilled:
        parts.append(f"the demo model would have cost {dollars(total.unbilled)}, nothing billed")
    if total.thinking_cost:
        parts.append(f"thinking {dollars(total.thinking_cost)}")
    if report.kernel:
        parts.append(f"this kernel {dollars(spent.kernel)}")
    limit = f" of {dollars(report.daily_budget)}" if report.daily_budget is not None else ""
    parts.append(f"today {dollars(spent.day)}{limit}")
    if total.unknown:
        parts.append(f"{_count(total.unknown, 'request')} of unknown price, not in the sum")
    if total.estimated:
        parts.append(f"{_count(total.estimated, 'stopped answer')} counted as a lower bound (≥)")
    if total.unfinished:
        parts.append(f"{_count(total.unfinished, 'request')} in progress or lost with the kernel")
    return [*parts, f"list prices of {day_text(date.fromisoformat(report.priced))}"]


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
    columns = [n for n, width in enumerate(widths) if width]

    def line(row: list[str]) -> str:
        cells = [row[n].ljust(widths[n]) if n < 2 else row[n].rjust(widths[n]) for n in columns]
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
    columns = [row if detailed else [row[0], *row[2:]] for row in table]
    written = "\n".join(f"| {' | '.join(row)} |" for row in columns)
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
    headline = " · ".join(
        re.sub(r"(\$[\d.,]+)", r"<span>\1</span>", html.escape(fact)) for fact in facts(report)
    )
    return (
        '<div class="mathjax_ignore tex2jax_ignore" style="font-size: 13px">'
        '<table style="border-collapse: collapse; color: inherit; font: inherit; font-variant-numeric: tabular-nums; margin: 0; border: 0">'
        f"<thead>{head}</thead><tbody>{''.join(body)}{end}</tbody></table>"
        f'<p style="{_QUIET}; font-size: 12px; margin: 6px 0 0">{headline}</p></div>'
    )


def empty(report: Report) -> str:
    """What to say if there is nothing to report."""
    since = f" since {day_text(report.since.astimezone())}" if report.since else ""
    return _EMPTY[report.scope != "all notebooks"].format(scope=report.scope + since)


def cost_text(total: Sum) -> str:
    """A sum's dollars: `≥` where they are a lower bound, `unknown` if no price is known; those of the demo model apart."""
    if total.unknown and total.unknown == total.calls:
        return "unknown"
    more = " + unknown" if total.unknown else ""
    if not total.unbilled:
        return dollars(total.billed, estimated=bool(total.estimated)) + more
    demo = f"demo {dollars(total.unbilled)}"
    return f"{dollars(total.billed)}{more}, {demo}" if total.billed else demo + more


def _fold(report: Report) -> tuple[ReportLine | None, tuple[ReportLine, ...]]:
    """The lines that are shown, and the rest as one."""
    by_time = _by_time(report)
    lines = report.lines[-MOST_LINES:] if by_time else report.lines[:MOST_LINES]
    if report.by == "turn" and len({line.detail for line in lines}) == 1:
        lines = tuple(replace(line, detail="") for line in lines)  # the one kernel tells nothing apart
    listed = Sum.total(line.sum for line in lines)
    if listed.calls >= report.total.calls:
        return None, lines
    hidden = len(report.lines) - len(lines)
    known = sum(line.sum.calls for line in report.lines) == report.total.calls
    label = f"{hidden:,} {'earlier' if by_time else 'more'}" if known else "earlier"
    return ReportLine(label, "", _rest(report.total, listed)), lines


def _rest(total: Sum, listed: Sum) -> Sum:
    usage = {
        n: getattr(total.usage, n) - getattr(listed.usage, n)
        for n in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    }
    return Sum(
        calls=total.calls - listed.calls, turns=max(total.turns - listed.turns, 0), usage=Usage.from_json(usage),
        billed=total.billed - listed.billed, unbilled=total.unbilled - listed.unbilled,
        unknown=total.unknown - listed.unknown, estimated=total.estimated - listed.estimated,
    )  # fmt: skip


def _by_time(report: Report) -> bool:
    return report.by in ("cell", "turn", "chat", "day")


def _title(report: Report) -> str:
    since = f" since {day_text(report.since.astimezone())}" if report.since else ""
    return report.scope + since


def _cells(line: ReportLine) -> list[str]:
    label = line.label if len(line.label) <= _LONGEST else f"{line.label[: _LONGEST - 2]} …"
    return [label, line.detail, *_figures(line.sum)]


def _figures(total: Sum) -> list[str]:
    share = f"{100 * total.usage.cache_read / total.usage.prompt:.0f} %" if total.usage.prompt else "–"
    return [f"{total.turns:,}", f"{total.usage.total:,}", share, cost_text(total)]


def _html_row(cells: list[str], detailed: bool, bar: str, style: str = "", tag: str = "td") -> str:
    labeled: list[tuple[str, str]] = []
    for n, cell in enumerate(cells):
        if n == 1 and not detailed:
            continue
        side = "left" if n < 2 else "right"
        width = "white-space: nowrap; " if n != 0 else "max-width: 34em; overflow-wrap: anywhere; "
        quiet = f"{_QUIET}; " if n == 1 else ""
        labeled.append(
            (f"text-align: {side}; padding: 3px 16px 3px 0; {width}{quiet}{style}", html.escape(cell))
        )
    labeled.append((f"text-align: left; padding: 3px 0; min-width: {_BAR}px; {style}", bar))
    written = "".join(f'<{tag} style="{css}">{content}</{tag}>' for css, content in labeled)
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


def _wrapped(parts: list[str], width: int = 100) -> str:
    lines = [""]
    for fact in parts:
        joined = f"{lines[-1]} · {fact}" if lines[-1] else fact
        if lines[-1] and len(joined) > width:
            lines.append(fact)
        else:
            lines[-1] = joined
    return "\n".join(lines)
