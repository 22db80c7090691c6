"""Figures of `claude.map`: rows a second against a server that allows 50 at once, as a share of what is possible; memory.

`python tests/benchmarks/bench_map.py [ROWS] [SECONDS …]`; SECONDS is how long an answer takes (0.5 1 2). Prints, judges nothing.
The server is a process of its own, so that its work is not counted as ours; it answers 429 to whoever is the 51st.
"""

import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

AT_ONCE = 50


def serve(seconds: float, port: Any, refused: Any) -> None:
    """A demo server whose answers take so long, and that lets 50 in at once."""
    from claude_jupyter.demo.script import Script, Wait
    from claude_jupyter.demo.server import start

    inside = 0
    lock = threading.Lock()

    def reply(body: Any) -> Script:
        nonlocal inside
        with lock:
            if inside >= AT_ONCE:
                refused.value += 1
                return Script(status=429, headers={"retry-after": "1"})
            inside += 1
        # The place is free again when the answer has gone out.
        threading.Timer(seconds - 0.05, leave).start()
        return Script(text=["Pos", Wait(seconds / 2), "itive."], hang=seconds / 2)

    def leave() -> None:
        nonlocal inside
        with lock:
            inside -= 1

    server = start(reply, keep=10)
    port.value = server.port
    threading.Event().wait()


def rss() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def run(rows: int, seconds: float) -> None:
    import anthropic
    from support.world import stage

    from claude_jupyter.conversation.store.journal import Journal
    from claude_jupyter.costs.ledger.sqlite_ledger import Ledger

    context = multiprocessing.get_context("spawn")
    port, refused = context.Value("i", 0), context.Value("i", 0)
    server = context.Process(target=serve, args=(seconds, port, refused), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.05)
    with tempfile.TemporaryDirectory() as folder, stage("unused") as s:
        s.settings.confirm_above = 1e9
        s.env.service.client = anthropic.Anthropic(
            api_key="sk-test-not-a-key", base_url=f"http://127.0.0.1:{port.value}"
        )
        s.env.billing.accounts = Ledger(Path(folder) / "ledger.db", warn=print)
        s.env.journal = Journal(Path(folder), "k", "n", lambda: "on", print)
        s.claude.map(["warm"], f"warm {seconds}")
        texts = [f"review number {i}: it was fine, thank you" for i in range(rows)]
        before, cpu, begun = rss(), time.process_time(), time.monotonic()
        peak = [before]
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                peak.append(rss())

        threading.Thread(target=watch, daemon=True).start()
        s.claude.map(texts, "Is this review positive?")
        took = time.monotonic() - begun
        over.set()
        quarters = [round(peak[len(peak) * k // 4 - (k == 4)]) for k in range(5)]
        ideal = rows * seconds / AT_ONCE
        print(
            f"{rows:,} rows of {seconds} s: {took:.1f} s, ideal {ideal:.1f} s = {ideal / took:.1%} of the possible; "
            f"{(time.process_time() - cpu) / rows * 1000:.1f} ms CPU a row; refused {refused.value}; "
            f"RSS in MB by quarters {quarters}"
        )
        begun = time.monotonic()
        s.claude.map(texts, "Is this review positive?")
        s.env.billing.accounts.close()
        print(f"  again, all kept: {time.monotonic() - begun:.2f} s")
    server.terminate()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    for each in [float(a) for a in sys.argv[2:]] or [0.5, 1.0, 2.0]:
        run(count, each)
