"""What it takes to show a dataframe of twenty columns: CPU time and tokens, by the number of rows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from claude_jupyter.demo.oracle.token_count import text_tokens
from claude_jupyter.models import facts

from .alternatives import MODEL, Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Cannot, Figure, Row

SIZES = (3, 4, 5, 6, 7)
"""Powers of ten."""
WORK = Path(__file__).with_name("work.py")


def rows() -> list[Row]:
    """The group's rows."""
    return [
        *(Row(f"frame-{k}", f"a dataframe of 10^{k} rows x 20, CPU", "ms") for k in SIZES),
        Row("frame-tokens", "its tokens (the most of these sizes)", ""),
    ]


def work(home: Home, *words: str, timeout: float = 300) -> dict[str, Any]:
    """Run `work.py` in an environment; what it told."""
    done = subprocess.run(
        [str(home.python), str(WORK), *words], capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def measure(bench: Bench) -> list[Row]:
    """Medians of three profiles of each size, of nine up to 100,000 rows."""

    def one(alternative: Alternative, home: Home) -> Measured:
        told: dict[str, Figure | Cannot] = {}
        most = 0
        for k in SIZES:
            if bench.quick and k > 5:
                told[f"frame-{k}"] = Cannot("left out by --quick")
                continue
            done = work(home, "frame", str(10**k), alternative.frame)
            told[f"frame-{k}"] = Figure(done["cpu"] * 1000)
            most = max(most, text_tokens(done["text"], facts(MODEL)))
        told["frame-tokens"] = Figure(most)
        return told

    return bench.each("frame", rows(), one)
