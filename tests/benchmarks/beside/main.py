"""The command: who and what is measured, in which order, and where the figures go."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from .alternatives import OURS, named
from .bench import Bench
from .environments import ROOT, home
from .figures import Row, from_json, markdown, table, to_json
from .stub import stub

GROUPS = ("start", "answer", "page", "session", "frame", "image", "map", "ledger")
MODULES = {"start": "load"}
HEADLINE = (
    "load", "first", "bytes-80", "cpu", "first-paint", "first-paint-later", "last-paint", "last-paint-80", "busy", "longest",
    "session", "frame-3", "frame-7", "image", "map", "map-cpu",
)  # fmt: skip
"""The rows of the README's table."""
Run = tuple[list[Row], dict[str, Any]]
"""Rows, and what is to be known about them."""
OUT = ROOT / "tests" / ".artifacts" / "bench.json"
CHART = ROOT / ".github" / "bench.svg"


def main(words: Sequence[str]) -> int:
    """Run it; the exit status is 0 also where nobody else could be measured."""
    options = _options(words)
    if options.install:
        for alternative in options.only:
            home(alternative)
        return 0
    if options.source:
        rows, about = from_json(Path(options.source).read_text())
    else:
        rows, about = _run(options)
        if options.into and options.out.exists():
            rows, about = merged(from_json(options.out.read_text()), (rows, about))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(to_json(rows, about))
        print(f"\nbench: figures in {options.out}")
    names = list(about["versions"])
    print("\n" + table(rows, names))
    print("".join(f"{name}: {note}\n" for name, note in about["notes"].items()))
    if options.markdown:
        print("\n" + markdown([row for row in rows if row.id in HEADLINE], names))
    if options.chart:
        from .chart import draw

        CHART.write_text(draw(rows, names))
        print(f"bench: chart in {CHART}")
    return 0


def merged(old: Run, new: Run) -> Run:
    """The old run with the new one's rows in place of its own; `groups` tells when each was measured, and under what load."""
    by_id = {row.id: row for row in [*old[0], *new[0]]}
    order = [row.id for group in GROUPS for row in _module(group).rows()]
    about = {**old[1], **new[1], "groups": {**old[1]["groups"], **new[1]["groups"]}}
    return sorted(by_id.values(), key=lambda row: order.index(row.id)), about


def _module(group: str) -> Any:
    return import_module(f"{__package__}.rows_{MODULES.get(group, group)}")


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/run bench --", description="This project beside the alternatives."
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no sizes that take long")
    parser.add_argument("--rows", default="", help=f"groups of rows, of {','.join(GROUPS)}")
    parser.add_argument(
        "--only", default="", help="alternatives by name, with commas; ours is always measured"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--from", dest="source", default="", help="show this file of figures, measure nothing"
    )
    parser.add_argument(
        "--into", action="store_true", help="put these rows into the figures of an earlier run"
    )
    parser.add_argument("--install", action="store_true", help="make the environments, measure nothing")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--chart", action="store_true")
    options = parser.parse_args(words)
    options.rows = [word for word in options.rows.split(",") if word] or list(GROUPS)
    if unknown := set(options.rows) - set(GROUPS):
        parser.error(f"no rows {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    try:
        options.only = named([word.strip() for word in options.only.split(",") if word.strip()])
    except ValueError as error:
        parser.error(str(error))
    return options


def _run(options: argparse.Namespace) -> Run:
    homes = {alternative.name: home(alternative) for alternative in options.only}
    missing = {name: at.missing for name, at in homes.items() if at.missing}
    for name, why in missing.items():
        print(f"bench: {name} is left out: {why}")
    if 0 < len(missing) == len(homes) - 1:
        print(f"bench: no alternative is on hand (offline?); only {OURS} is measured")
    about: dict[str, Any] = {
        "quick": options.quick,
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
        "notes": {alternative.name: alternative.note for alternative in options.only if alternative.note},
        "versions": {
            name: {"missing": at.missing} if at.missing else at.versions for name, at in homes.items()
        },
    }
    rows: list[Row] = []
    about["groups"] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, stub() as server:
        bench = Bench(server, options.only, homes, Path(folder), options.quick)
        for group in (group for group in GROUPS if group in options.rows):
            began, load = time.monotonic(), _load()
            rows += _module(group).measure(bench)
            about["groups"][group] = {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - began),
                "load_average": [load, _load()],
            }
    return rows, about


def _load() -> float | None:
    """How many processes want the processors, over the last minute; a figure of wall time is worth little where it is high."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
