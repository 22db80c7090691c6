"""This project beside the alternatives, in one run: `bench_beside.py [--quick] [--rows start,answer] [--only chatlas]`.

Prints the table, writes `--out` (default `tests/.artifacts/bench.json`) and, with `--chart`, the README's chart; judges nothing.
`--from FILE` measures nothing and shows a run again. `--markdown` prints the table as the README has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.beside.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
