"""What it cost, as a reader sees it: the table, the picture, the CSV file and the shell's command."""

import contextlib
import csv
import re
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from claude_jupyter.costs import prices
from claude_jupyter.costs.ledger.calls import Call, CallOutcome, Where
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.reports import chart, table
from claude_jupyter.costs.reports.report import main, parse, recorded_kernel, report, reprice, write_csv
from claude_jupyter.costs.reports.summary import BY, By, Report
from claude_jupyter.costs.usage import Usage
from claude_jupyter.errors import StorageError, UsageError

D = Decimal
SONNET, OPUS = "claude-sonnet-5-5", "claude-opus-5-5"
NOW = datetime.now(UTC)
CELLS = {
    "c1": "What is odd about this table?",
    "c2": "Plot $x$ by | region\n and `more`",
    "c3": "<script>alert(1)</script>",
}


def _fail(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(tmp_path / "ledger.db", warn=_fail, kernel="k1")) as ledger:
        yield ledger


def ask(ledger: Ledger, turn: int, tokens: int = 10_000, *, model: str = SONNET, **more: Any) -> str:
    estimated = more.pop("estimated", False)
    call = Call(
        model, user="ada", turn=turn, **{"kernel": "k1", "notebook": "work/a.ipynb", "chat": "main"} | more
    )
    usage = Usage(input=tokens, output=tokens // 10, cache_read=tokens, thinking=tokens // 20)
    wire = {"input_tokens": tokens, "output_tokens": tokens // 10, "cache_read_input_tokens": tokens}
    done = CallOutcome(
        usage=usage, cost=prices.price(usage, model), complete=not estimated, estimated=estimated, seconds=1.0,
        price_date=prices.price_date(), usage_json=wire,
    )  # fmt: skip
    row = ledger.start(call)
    ledger.finish(row, done)
    return row


@pytest.fixture
def morning(ledger: Ledger) -> Ledger:
    """Two notebooks, two days, three cells, a stopped answer, an unknown model, a demo and a lost kernel."""
    yesterday = NOW - timedelta(days=1)
    ask(ledger, 1, cell="c1", at=yesterday)
    ask(ledger, 1, cell="c1", at=yesterday)
    ask(ledger, 2, cell="c2", estimated=True)
    ask(ledger, 3, cell="c3", model="gpt-9")
    ask(ledger, 1, kernel="k2", notebook="work/b.ipynb", model=OPUS, cell="c1")
    ask(ledger, 2, kernel="k2", notebook="work/b.ipynb", provider="demo", cell="c4")
    ledger.start(
        Call(SONNET, user="ada", kernel="k3", notebook="work/a.ipynb", cell="c1", chat="main", turn=9)
    )
    return ledger


def here(ledger: Ledger, by: By = "cell") -> Report:
    return report(
        ledger, by=by, notebook="work/a.ipynb", scope="this notebook", user="ada", here=("k1", "work/a.ipynb"),
        cells=CELLS, daily_budget=D(5),
    )  # fmt: skip


ONE = D("0.031")  # 10,000 in at $2, 1,000 out at $10, 10,000 read at $0.10 per million


def test_by_cell_names_the_cells_first_line_and_sums_its_rounds(morning: Ledger):
    found = here(morning)
    assert [(line.label, line.sum.turns, line.sum.calls) for line in found.lines] == [
        (CELLS["c1"], 2, 3),
        ("Plot $x$ by | region and `more`", 1, 1),
        ("<script>alert(1)</script>", 1, 1),
    ]
    assert [line.sum.billed for line in found.lines] == [2 * ONE, ONE, 0]
    assert found.total.billed == 3 * ONE
    assert found.spent.kernel == 3 * ONE


@pytest.mark.parametrize(
    ("by", "labels"),
    [
        ("turn", ["main · 1", "main · 2", "main · 3", "main · 1", "main · 2", "main · 9"]),
        ("chat", ["main", "main"]),
        ("model", [SONNET, OPUS, "gpt-9"]),
        ("day", [f"{d.astimezone():%Y-%m-%d %a}" for d in (NOW - timedelta(days=1), NOW)]),
        ("notebook", ["work/a.ipynb", "work/b.ipynb"]),
        ("kernel", ["kernel k1", "kernel k2", "kernel k3"]),
    ],
)
def test_by_everything_else_over_all_notebooks(morning: Ledger, by: By, labels: list[str]):
    found = report(morning, by=by, user="ada")
    assert [line.label for line in found.lines] == labels
    assert sum(line.sum.billed for line in found.lines) == found.total.billed == 3 * ONE + 2 * ONE


def test_since_a_day(morning: Ledger):
    midnight = datetime.combine(NOW.astimezone().date(), datetime.min.time()).astimezone()
    found = report(morning, by="model", since=midnight)
    assert found.total.billed == ONE + 2 * ONE
    assert [line.label for line in report(morning, by="cell", notebook="work/a.ipynb", since=midnight).lines]


def test_the_table_says_what_is_not_certain(morning: Ledger):
    text = table.to_text(here(morning))
    assert "≥ $0.0930 + unknown" in text
    assert "this notebook" in text
    assert "caching saved $0.0570" in text
    assert "thinking $0.0150" in text
    assert re.search(r"today \$0\.\d+ of \$5\.00", text)
    assert "this kernel $0.0930" in text
    assert "1 request of unknown price, not in the sum" in text
    assert "1 stopped answer counted as a lower bound" in text
    assert "1 request in progress or lost with the kernel" in text
    assert "list prices of 10 Nov 2026" in text
    assert "the demo model would have cost $0.0310, nothing billed" in table.to_text(report(morning))


def test_figures_stand_right_aligned_under_their_heads(morning: Ledger):
    lines = table.to_text(here(morning)).splitlines()
    head = lines[0]
    for line in lines[2:5]:
        assert len(line) == len(head)
    assert len({len(line) for line in lines if set(line) == {"─"}}) == 1


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_is_a_plain_table_in_which_nothing_runs_and_no_amount_becomes_mathematics(morning: Ledger):
    for by in BY:
        written = table.to_html(here(morning, by))
        parser = _Cells()
        parser.feed(written)
        assert set(parser.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "span"}
        # MathJax pairs dollar signs within one text node; one that a cell's text brings is told to be ignored.
        assert all(text.count("$") <= 1 or "Plot" in text for text in parser.texts)
        assert "mathjax_ignore" in written
        assert "http" not in written
    assert "&lt;script&gt;" in table.to_html(here(morning))


def test_markdown_is_a_table_of_inert_text(morning: Ledger):
    written = table.to_markdown(here(morning))
    assert "| Plot \\$x\\$ by \\| region and \\`more\\` |" in written
    assert "<script" not in written
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert set(table.mimebundle(here(morning))) == {"text/html", "text/markdown", "text/plain"}


def test_many_lines_are_folded_and_still_add_up(ledger: Ledger):
    for turn in range(60):
        ask(ledger, turn, cell=f"c{turn}")
    text = table.to_text(report(ledger, notebook="work/a.ipynb"))
    assert "20 earlier" in text.splitlines()[2]
    assert "$0.620" in text.splitlines()[2]
    assert "$1.86" in text
    html = table.to_html(report(ledger, by="turn", kernel="k1"))
    assert html.count("<tr") == 1 + 41 + 1


def test_where_there_is_nothing_it_says_what_to_do(ledger: Ledger):
    for found in (here(ledger), report(ledger, since=NOW, kernel="k1"), report(ledger)):
        for written in table.mimebundle(found).values():
            assert "%%claude" in re.sub(r"\\", "", written)
        assert "nothing spent" in chart.to_text(found)
        ET.fromstring(chart.to_svg(found))
    assert "this notebook yet" in table.to_text(here(ledger))


@pytest.mark.parametrize(
    ("days", "step", "bars"),
    [(0, "hour", 1), (1, "hour", 25), (20, "day", 21), (200, "week", 29), (900, "month", 30)],
)
def test_bars_are_hours_days_weeks_or_months(ledger: Ledger, days: int, step: str, bars: int):
    noon = datetime.now().astimezone().replace(hour=12, minute=30)
    for n in (0, days):
        ask(ledger, n, at=noon - timedelta(days=n))
    found = report(ledger, by="day")
    assert found.step == step
    assert abs(len(found.bars) - bars) <= 1
    assert sum(bar.usd for bar in found.bars) == found.total.cost


def test_the_picture_is_stacked_stands_alone_and_says_its_figures(morning: Ledger):
    found = report(morning)
    svg = chart.to_svg(found)
    root = ET.fromstring(svg)
    titles = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0].startswith("all notebooks: $0.186")
    assert any("output $" in t and "input $" in t and "cache $" in t for t in titles[1:])
    assert not re.search(r"<script|href|url\(|@import|on\w+=", svg)
    heights = [float(r.get("height") or 0) for r in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert all(0 < h <= 136 for h in heights)
    assert set(chart.mimebundle(found)) == {"image/svg+xml", "text/plain"}
    assert "█" in chart.to_text(found)


def test_rows_of_other_programs_are_in_the_picture_too(ledger: Ledger):
    ledger.start(Call(SONNET))
    assert ledger.path
    with contextlib.closing(sqlite3.connect(ledger.path)) as db:
        db.execute(
            "INSERT INTO calls(id, at, cost_usd, seconds) VALUES ('x', ?, '0.5', 1)", (NOW.isoformat(),)
        )
        db.commit()
    assert sum(bar.usd for bar in report(ledger).bars) == D("0.5")


def test_csv_has_every_line_and_exact_figures(morning: Ledger, tmp_path: Path):
    path = tmp_path / "cost.csv"
    assert write_csv(here(morning), path, None)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cell"] for row in rows] == [" ".join(CELLS[c].split()) for c in ("c1", "c2", "c3")]
    assert [D(row["cost_usd"]) for row in rows] == [2 * ONE, ONE, 0]
    assert (rows[0]["input_tokens"], rows[0]["requests"], rows[0]["unfinished"]) == ("20000", "3", "1")


def test_days_in_csv_are_dates_without_their_names(morning: Ledger, tmp_path: Path):
    write_csv(here(morning, by="day"), tmp_path / "days.csv", None)
    with (tmp_path / "days.csv").open(encoding="utf-8") as file:
        assert [date.fromisoformat(row["day"]) for row in csv.DictReader(file)]


def test_a_csv_file_that_exists_is_asked_about_and_not_overwritten(morning: Ledger, tmp_path: Path):
    path = tmp_path / "cost.csv"
    path.write_text("mine")
    with pytest.raises(StorageError, match=r"cost\.csv exists"):
        write_csv(here(morning), path, None)
    asked: list[str] = []
    assert not write_csv(here(morning), path, lambda question: bool(asked.append(question)))
    assert path.read_text() == "mine"
    assert asked == ["cost.csv exists. Replace it?"]
    assert write_csv(here(morning), path, lambda question: True)
    assert path.read_text().startswith("cell,")
    with pytest.raises(StorageError, match="folder"):
        write_csv(here(morning), tmp_path, lambda question: True)
    with pytest.raises(StorageError, match="cannot be written"):
        write_csv(here(morning), tmp_path / "none" / "cost.csv", None)


def test_pricing_again_with_a_table_of_ones_own(morning: Ledger):
    own = {"gpt-9": {"input": 2, "output": 10, "cache_read": 0.1}}
    assert reprice(morning) == 0
    assert reprice(morning, overrides=own) == 1
    found = here(morning)
    assert (found.total.unknown, found.total.billed) == (0, 4 * ONE)
    assert sum(bar.usd for bar in found.bars) == 4 * ONE
    assert reprice(morning, overrides=own) == 0


def test_pricing_again_knows_cache_lifetimes_rounds_and_batches(ledger: Ledger):
    stale = {"input_tokens": 0, "cache_creation_input_tokens": 1_000_000, "output_tokens": 0}
    advised = {"iterations": [{"type": "message", "input_tokens": 1_000_000},
                              {"type": "advisor_message", "model": OPUS, "input_tokens": 1_000_000}]}  # fmt: skip
    for wire, ttl, tier in (
        (stale, "1h", None),
        (advised, "5m", None),
        ({"input_tokens": 10**6}, "5m", "batch"),
    ):
        row = ledger.start(Call(SONNET, kernel="k1"))
        usage = Usage.from_wire(wire, ttl=ttl)  # type: ignore[arg-type]
        ledger.finish(
            row, CallOutcome(usage, None, complete=True, usage_json=wire, service_tier=tier, seconds=1)
        )
    assert reprice(ledger, where=Where(kernel="k1")) == 3
    assert [row["cost_usd"] for row in ledger.rows()] == ["4", "6", "1"]


# ── options and the shell ──


def test_options():
    assert parse([]).by is None
    asked = parse(["--by", "model", "--since", "2026-11-01", "--all", "--plot", "--csv", "x.csv"])
    assert (asked.by, asked.everything, asked.plot, asked.csv) == ("model", True, True, Path("x.csv"))
    assert asked.since == datetime(2026, 11, 1).astimezone()
    assert parse(["--kernel"]).kernel == ""
    assert parse(["--notebook", "a b.ipynb"]).notebook == "a b.ipynb"
    assert (
        parse(["--since", "today"]).since == datetime.combine(date.today(), datetime.min.time()).astimezone()
    )
    assert parse(["--since", "7d"]).since
    assert "--reprice" in parse(["--help"]).help


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "week"], "cell"),
        (["--since", "tuesday"], "today, yesterday or 7d"),
        (["--since", "2026-13-01"], "2026-13-01"),
        (["--frobnicate"], "--frobnicate"),
        (["--csv"], "--csv"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(words: list[str], said: str):
    with pytest.raises(UsageError) as refused:
        parse(words)
    assert said in refused.value.message
    assert "\n" not in refused.value.message


@pytest.fixture
def shell(morning: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CLAUDE_JUPYTER_USER", "ada")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_prints_the_same_reports(shell: Path, capsys: pytest.CaptureFixture[str]):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert f"{NOW.astimezone():%Y-%m-%d}" in out
    assert "all notebooks" in out
    assert main(["--notebook", "a.ipynb", "--by", "model", "--plot"]) == 0
    out = capsys.readouterr().out
    assert SONNET in out
    assert OPUS not in out
    assert "█" in out


def test_the_command_writes_csv_once_and_fails_clearly(shell: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--by", "turn", "--csv", "out.csv"]) == 0
    assert (shell / "out.csv").read_text().count("\n") == 7
    assert main(["--csv", "out.csv"]) == 1
    assert "exists" in capsys.readouterr().err
    assert main(["--by", "x"]) == 2
    assert main(["--kernel"]) == 2
    assert main(["--help"]) == 0
    assert "--since" in capsys.readouterr().out


def test_the_command_where_nothing_was_ever_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path / "none"))
    assert main([]) == 0
    assert "No requests yet" in capsys.readouterr().out


def test_the_command_on_a_ledger_of_a_newer_version(shell: Path, capsys: pytest.CaptureFixture[str]):
    with contextlib.closing(sqlite3.connect(shell / "ledger.db")) as db:
        db.execute("PRAGMA user_version = 99")
    assert main([]) == 1
    assert "newer claude-jupyter" in capsys.readouterr().err


def test_the_command_reads_the_ledger_that_a_config_file_names(
    shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path / "empty"))
    (tmp_path / "profile_default").mkdir()
    (tmp_path / "profile_default" / "ipython_config.py").write_text(
        f"c.ClaudeMagics.ledger = {str(shell / 'ledger.db')!r}\n"
    )
    assert main(["--by", "model"]) == 0
    assert SONNET in capsys.readouterr().out


def test_a_kernel_is_found_by_what_the_table_shows_of_it(ledger: Ledger):
    for kernel in ("3f2a9c10-1d2e-4f3a-8b4c-5d6e7f809112", "3f2a0000-1d2e-4f3a-8b4c-5d6e7f809112"):
        ask(ledger, 1, kernel=kernel)
        label = report(ledger, by="kernel", kernel=kernel).lines[0].label
        assert recorded_kernel(ledger, label.removeprefix("kernel ")) == kernel
    for left in ("3f2a", "another", "", None):  # of several, of none, of this one, and not given
        assert recorded_kernel(ledger, left) == left


@pytest.mark.parametrize(
    "words, told",
    [
        (["--bye", "cell"], "there is no option --bye; did you mean --by?"),
        (["--by", "modle"], "not 'modle'; did you mean model?"),
        (["--csv"], "--csv needs a value"),
        (["--kernel", "k", "--all"], "--all cannot go with --kernel"),
        (["work.ipynb"], "takes options only, not 'work.ipynb'"),
    ],
)
def test_a_wrong_option_names_what_was_meant(words: list[str], told: str):
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert told in str(caught.value)


def test_a_csv_file_can_stand_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse(["--csv", "~/bill.csv"]).csv == tmp_path / "bill.csv"
