"""Run by each environment's own interpreter: times a snippet on a dataframe or a file, prints JSON. Numpy and pandas only.

`python work.py frame ROWS SNIPPET` or `python work.py image PATH SNIPPET`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from typing import Any

SMALL = 100_000
"""Rows up to which a profile takes so little that one run tells little."""


def columns(rows: int) -> dict[str, Any]:
    """Twenty columns: numbers, few and many different texts, dates, booleans."""
    import numpy as np

    rng = np.random.default_rng(0)
    words = np.array(["north", "south", "east", "west", "centre"])
    data: dict[str, Any] = {f"number_{i}": rng.normal(size=rows) for i in range(8)}
    data |= {f"count_{i}": rng.integers(0, 1000 * 10**i, rows) for i in range(5)}
    data |= {f"place_{i}": words[rng.integers(0, len(words), rows)] for i in range(3)}
    data["id"] = np.char.add("id", rng.integers(0, 10**9, rows).astype(str))
    data["at"] = np.datetime64("2024-01-01", "ms") + np.arange(rows).astype("timedelta64[ms]")
    data["on"] = rng.integers(0, 2, rows).astype(bool)
    data["small"] = rng.integers(0, 100, rows).astype("int8")
    return data


def timed(snippet: str, names: dict[str, Any], runs: int) -> list[float]:
    """CPU seconds of each run; what it assigns is in `names` afterwards."""
    code = compile(snippet, "snippet", "exec")
    times: list[float] = []
    for _ in range(runs):
        at = time.process_time()
        exec(code, names)
        times.append(time.process_time() - at)
    return times


def main(kind: str, what: str, snippet: str) -> None:
    """The median of three runs, of nine where they are short, after one that imports."""
    warnings.simplefilter("ignore")
    if kind == "frame":
        import pandas as pd

        exec(snippet, {"df": pd.DataFrame(columns(10))})
        names: dict[str, Any] = {"df": pd.DataFrame(columns(int(what)))}
    else:
        names = {"path": what}
        exec(snippet, dict(names))
    times = timed(snippet, names, 9 if kind == "frame" and int(what) <= SMALL else 3)
    print(
        json.dumps(
            {"cpu": statistics.median(times), "text": names.get("text", ""), "data": names.get("data", "")}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
