"""How long a report takes over a million requests of 200 people in a team's PostgreSQL, and how long a request waits for its row.

PYTHONPATH=.:tests python tests/benchmarks/bench_team_ledger.py [ROWS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from support.ledger import CALL, outcome
from support.postgres import Postgres

from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.costs.ledger.schema import MEASURES
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.ledger.team_ledger import TeamLedger, parsed
from claude_jupyter.costs.reports.summary import report

USERS, EACH = 200, 50
"""A kernel asks some ten questions in a quarter of an hour."""

FILL = """
INSERT INTO calls(id, at, "user", kernel, notebook, cell, chat, turn, provider, model, input_tokens, output_tokens, cost_usd, seconds)
SELECT 'r' || i, to_char(to_timestamp(1760000000 + i * 20), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'user' || k % {users}, 'k' || k,
  'n' || k % 900, 'c' || i % 40, 'main', i % {each}, 'anthropic', 'claude-sonnet-5-5', 1000, 300, '0.005', 2
FROM (SELECT i, i / {each} AS k FROM generate_series(0, {rows} - 1) i) s;
INSERT INTO spent(call, began, "user", kernel, notebook, chat, provider, model, slot, cell, turn, turns, input, output, billed)
SELECT id, (1760000000 + n * 20)::bigint * 1000000, "user", kernel, notebook, chat, provider, model, (1760000000 + n * 20) / 900,
  cell, turn, 1, 1000, 300, 5000000000
FROM (SELECT *, substr(id, 2)::int AS n FROM calls WHERE id LIKE 'r%') s;
INSERT INTO totals(id, "user", kernel, notebook, chat, provider, model, slot, began, calls, {measures})
SELECT md5(concat("user", kernel, chat, slot)), "user", kernel, notebook, chat, provider, model, slot, min(began), count(*), {sums}
FROM spent GROUP BY "user", kernel, notebook, chat, provider, model, slot;
ANALYZE;
"""


def main(rows: int = 1_000_000) -> None:
    """Fill it, and print seconds."""
    server = Postgres()
    try:
        with tempfile.TemporaryDirectory() as folder:
            local = Ledger(Path(folder) / "ledger.db", warn=print)
            ledger = TeamLedger(parsed(server.address()), local, warn=print)
            ledger.sums(())
            sums = ", ".join(f"sum({name})" for name in MEASURES)
            server.sql(
                FILL.format(rows=rows, users=USERS, each=EACH, measures=", ".join(MEASURES), sums=sums)
            )
            print(f"{rows:,} rows, {server.sql('SELECT count(*) FROM totals')[0][0]:,} running sums")
            for by in (("user",), ("model",), ("day",), ("notebook",)):
                print(f"sums by {by[0]}: {_seconds(lambda by=by: ledger.sums(by)):.3f} s")
            since = Where(user="user7")
            print(f"sums of one user by day: {_seconds(lambda: ledger.sums(('day',), since)):.3f} s")
            print(f"the whole report by user: {_seconds(lambda: report(ledger, by='user')):.3f} s")
            print(f"a row, begun and completed: {1000 * _seconds(lambda: _row(ledger)):.1f} ms")
            print(f"a row in SQLite: {1000 * _seconds(lambda: _row(local)):.1f} ms")
            ledger.close()
    finally:
        server.close()


def _row(ledger: Ledger | TeamLedger) -> None:
    ledger.finish(ledger.start(CALL), outcome())


def _seconds(work: object, times: int = 7) -> float:
    measured: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        measured.append(time.perf_counter() - began)
    return median(measured)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
