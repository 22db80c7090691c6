"""What twenty days of questions cost by way of caching, beside the least possible had all pauses been known beforehand.

`python tests/benchmarks/bench_days.py`: each conversation is asked for real over the demo server, which counts by the published
rules, on a clock of its own; output tokens, the same everywhere, are left out. Prints, judges nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.days import HABITS, MODELS, days, spent

WAYS = {
    "auto (default)": "auto",
    "warm": "warm",
    "5 minutes (chatlas, claudette)": "5m",
    "an hour": "1h",
    "none (bare SDK)": "off",
}


def main() -> None:
    drawn = days()
    sums = {way: [spent(day, cache) for day in drawn] for way, cache in WAYS.items()}

    def row(label: str, chosen: list[int]) -> str:
        best = sum(sums["warm"][n][1] for n in chosen)
        cells = [sum(results[n][0] for n in chosen) / best for results in sums.values()]
        return f"{label:28} {len(chosen):3} {best:9.3f} " + " ".join(f"{cell:8.2f}" for cell in cells)

    print(
        f"{'':28} {'n':>3} {'least, $':>9} ", *(f"{cache:>8}" for cache in WAYS.values()), "  (x the least)"
    )
    for habit in HABITS:
        print(row(habit, [n for n, d in enumerate(drawn) if d.habit == habit]))
    for model in MODELS:
        print(row(model, [n for n, d in enumerate(drawn) if d.model == model]))
    print(row("all", list(range(len(drawn)))))
    print("\n".join(f"{cache:>5}: {way}" for way, cache in WAYS.items()))


if __name__ == "__main__":
    main()
