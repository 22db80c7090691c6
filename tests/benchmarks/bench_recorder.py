"""What the recorder adds to a cell, in a real IPython shell. Prints figures, asserts nothing."""

from __future__ import annotations

import contextlib
import io
import time

from IPython.core.interactiveshell import InteractiveShell
from support.figures import figure, median, title

from claude_jupyter.content.cells.recorder import Recorder

CELLS = {
    "an assignment": "x = 1",
    "a value": "x",
    "20 lines printed": "for i in range(20): print('line', i)",
    "a displayed image": "display({'image/png': IMAGE}, raw=True)",
}
RUNS = 400


def cost(ip: InteractiveShell, source: str) -> float:
    """Milliseconds of one cell."""
    times: list[float] = []
    for _ in range(RUNS):
        began = time.perf_counter()
        ip.run_cell(source, store_history=True)
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def main() -> None:
    """Each kind of cell with and without it, in turns."""
    ip = InteractiveShell.instance()
    ip.history_manager.enabled = False
    ip.run_cell("from IPython.display import display; IMAGE = 'A' * 40_000")
    title("what the recorder adds")
    for name, source in CELLS.items():
        bare: list[float] = []
        recorded: list[float] = []
        for _ in range(3):
            with contextlib.redirect_stdout(io.StringIO()):
                bare.append(cost(ip, source))
                recorder = Recorder(ip)
                recorder.install()
                recorded.append(cost(ip, source))
                recorder.uninstall()
        figure(f"{name}: added to {median(bare):.3f} ms", median(recorded) - median(bare), "ms", limit=0.2)


if __name__ == "__main__":
    main()
