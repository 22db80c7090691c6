"""The command: who and what is measured, in which order, and where the figures go."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
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
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(to_json(rows, about))
        print(f"\nbench: figures in {options.out}")
    names = list(about["versions"])
    print("\n" + table(rows, names))
    print("".join(f"{name}: {note}\n" for name, note in about["notes"].items()))
    if options.markdown:
        print("\n" + markdown(rows, names))
    if options.chart:
        from .chart import draw

        CHART.write_text(draw(rows, names))
        print(f"bench: chart in {CHART}")
    return 0


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


def _run(options: argparse.Namespace) -> tuple[list[Row], dict[str, Any]]:
    homes = {alternative.name: home(alternative) for alternative in options.only}
    missing = {name: at.missing for name, at in homes.items() if at.missing}
    for name, why in missing.items():
        print(f"bench: {name} is left out: {why}")
    if len(missing) == len(homes) - 1:
        print(f"bench: no alternative is on hand (offline?); only {OURS} is measured")
    about: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
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
    loads: dict[str, Any] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, stub() as server:
        bench = Bench(server, options.only, homes, Path(folder), options.quick)
        for group in GROUPS:
            if group in options.rows:
                measure: Callable[[Bench], list[Row]] = import_module(
                    f"{__package__}.rows_{MODULES.get(group, group)}"
                ).measure
                before = os.getloadavg()[0] if hasattr(os, "getloadavg") else -1
                rows += measure(bench)
                loads[group] = [round(before, 2), round(os.getloadavg()[0], 2)] if before >= 0 else []
    about["load_average"] = loads
    about["seconds"] = round(time.monotonic() - began)
    return rows, about
