"""Works in cells: a step beside a bare loop on the SDK, a long work beside the best caching; checkpoints, undo, effects.

`python tests/benchmarks/bench_works.py [--only steps,caching,checkpoints,effects]`. Real kernels, a scripted model. Prints, judges nothing.
"""

from __future__ import annotations

import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from support.figures import figure, median, title
from support.harmless_cells import HARMLESS
from support.kernel import Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.long_talk import document, dollars
from support.nasty_cells import NASTY
from unit import test_checkpoint as undoing
from unit import test_effects as guessing

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo import server as demo
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.kernel.checkpoint import Checkpoint
from claude_jupyter.kernel.effects import effects_of

BARE = """
import anthropic, time
from IPython.utils.capture import capture_output
client = anthropic.Anthropic()
RUN = {"name": "run_cell", "description": "Run a cell.", "input_schema": {"type": "object", "properties": {
    "title": {"type": "string"}, "code": {"type": "string"}}, "required": ["title", "code"]}}
def bare(question):
    messages, took = [{"role": "user", "content": question}], []
    while True:
        began = time.perf_counter()
        with client.messages.stream(model="claude-sonnet-5-5", max_tokens=8000, messages=messages, tools=[RUN]) as stream:
            reply = stream.get_final_message()
        calls = [b for b in reply.content if b.type == "tool_use"]
        if not calls:
            return took
        messages.append({"role": "assistant", "content": reply.content})
        with capture_output() as out:
            get_ipython().run_cell(calls[0].input["code"], store_history=False)
        text = out.stdout or "It ran."
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": calls[0].id, "content": text}]})
        took.append(time.perf_counter() - began)
"""


def script(steps: int) -> Callable[[Any], Script]:
    """A model that proposes so many cells, one line of output each, and then ends."""
    left = [
        Script(
            text="Next.",
            calls=[Call("run_cell", {"title": f"step {n}", "code": f"v{n} = {n}\nprint('value', v{n})"})],
        )
        for n in range(steps)
    ]
    left.append(Script(text="Done."))
    return lambda _body: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def kernel() -> Generator[tuple[Kernel, demo.DemoServer]]:
    """A kernel with the extension loaded, and its model."""
    with tempfile.TemporaryDirectory() as name, demo.start("Yes.") as server:
        folder = Path(name)
        env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=str(folder / "data"))
        with running_kernel(folder, env, f"{LOAD}\n%claude --once warm") as running:
            yield running, server


def worked(running: Kernel, question: str) -> list[Execution]:
    """The steps' cells, each run as soon as it waits."""
    cells: list[Execution] = []
    done = running.run(question, cell_id="ask")
    for number in itertools.count():
        payload = [p for p in done.reply.get("payload", ()) if p["source"] == "set_next_input"]
        if not payload:
            return cells
        done = running.run(payload[-1]["text"], cell_id=f"step-{number}")
        cells.append(done)
    raise AssertionError


def prompts(server: demo.DemoServer) -> list[Usage]:
    """What each request was counted as."""
    return [r.usage for r in server.requests if r.path == "/v1/messages" and r.usage.total]


def growth(usages: Sequence[Usage]) -> float:
    """Prompt tokens that a step adds, the median."""
    return median([b.prompt - a.prompt for a, b in itertools.pairwise(usages)])


def steps() -> None:
    """A step beside the same step in a bare loop."""
    title("A step beside a bare loop on the SDK that runs the same code (12 steps)")
    with kernel() as (running, server):
        running.run(BARE)
        server.script = script(12)
        bare = running.value("bare('Twelve steps, please.')")
        server.script = script(12)
        server.requests.clear()
        bare = running.value("bare('Twelve steps, please.')")
        plain = prompts(server)
        empty = [running.run(f"e{n} = {n}\nprint('value', {n})", cell_id=f"e{n}") for n in range(12)]
        server.script = script(12)
        server.requests.clear()
        cells = worked(running, "%%claude --do\nTwelve steps, please.")
        ours = prompts(server)
    took, cell = [1000 * (c.ended - c.began) for c in cells], [1000 * (e.ended - e.began) for e in empty]
    loop = [1000 * t for t in bare]
    figure("a step of the bare loop", median(loop), "ms")
    figure("a plain cell over the wire (no question)", median(cell), "ms")
    figure("a step as a cell of the notebook", median(took), "ms")
    figure("  more than the bare step", median(took) - median(loop), "ms", limit=50)
    figure("  quickest beside quickest", min(took) - min(loop), "ms", limit=50)
    figure("prompt tokens that a step adds, bare", growth(plain), "tokens")
    figure("prompt tokens that a step adds, ours", growth(ours), "tokens")
    figure("  more", growth(ours) - growth(plain), "tokens", limit=300)
    figure("before the first step (definitions, inventory), more", ours[0].prompt - plain[0].prompt, "tokens")


def caching() -> None:
    """Twelve steps over a large attachment, beside what they would cost if every token were written to the cache once."""
    title("12 steps over a 50,000-token attachment")
    with kernel() as (running, server):
        running.run(f"text = {''.join(document(50_000))!r}")
        server.script = script(12)
        server.requests.clear()
        worked(running, "%%claude --do text\nTwelve steps, please.")
        usages = prompts(server)
    best, before = Decimal(0), 0
    for usage in usages:
        best += dollars(Usage(cache_read=before, cache_write_5m=usage.prompt - before, output=usage.output))
        before = usage.prompt
    whole = sum((dollars(u) for u in usages), Decimal(0))
    uncached = sum((dollars(Usage(input=u.prompt, output=u.output)) for u in usages), Decimal(0))
    figure("requests", len(usages), "")
    figure("without caching", float(uncached), "dollars")
    figure("every token written once, then read", float(best), "dollars")
    figure("ours", float(whole), "dollars", of=float(best), limit=1.3)


def milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it takes, and what comes out."""
    began = time.perf_counter()
    found = work()
    return 1000 * (time.perf_counter() - began), found


def memory() -> float:
    """MB that this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def checkpoints() -> None:
    """Checkpoints and undo."""
    title("Checkpoints: ten frames of 10^7 x 20 (one byte per value), 500 variables")
    frames = {f"f{n}": pd.DataFrame(np.ones((10**7, 20), dtype="int8")) for n in range(10)}
    namespace: dict[str, Any] = dict(frames)
    before = memory()
    took, checkpoint = milliseconds(lambda: Checkpoint(namespace))
    figure("memory that the frames take", before, "MB")
    figure("a checkpoint", took, "ms", limit=20)
    figure("  memory", memory() - before, "MB", limit=5)
    took, second = milliseconds(lambda: Checkpoint(namespace, previous=checkpoint))
    figure("the next one, nothing having changed", took, "ms", limit=20)
    for frame in frames.values():
        frame.pop(0)
        frame["new"] = 1
    namespace["f0"] = 5
    took, changes = milliseconds(lambda: second.changes(namespace))
    figure(f"telling what changed ({len(changes.changed)} frames)", took, "ms")
    took, lost = milliseconds(lambda: second.restore(namespace))
    figure("undo", took, "ms", limit=100)
    assert not lost and all(list(f.columns) == list(range(20)) for f in frames.values())
    frames.clear()
    namespace.clear()
    many: dict[str, Any] = {f"frame_{n}": pd.DataFrame(np.zeros((100, 12))) for n in range(100)}
    many |= {f"list_{n}": list(range(50)) for n in range(200)} | {f"text_{n}": "x" * n for n in range(200)}
    took = min(milliseconds(lambda: Checkpoint(many))[0] for _ in range(5))
    figure("a checkpoint of 500 variables", took, "ms", limit=30)
    checkpoint = Checkpoint(many)
    took = min(milliseconds(lambda: checkpoint.changes(many))[0] for _ in range(5))
    figure("telling what changed of them", took, "ms", limit=30)
    back = [_comes_back(code) for code in undoing.MUTATIONS]
    figure(f"of {len(back)} mutations brought back", 100 * sum(back) / len(back), "%")


def _comes_back(code: str) -> bool:
    try:
        undoing.test_a_change_is_told_and_taken_back(code)
    except AssertionError:
        return False
    return True


def effects() -> None:
    """Guesses over the held list of snippets."""
    names = guessing.namespace()
    title(f"Effects of {len(HARMLESS) + len(NASTY)} snippets")
    passed = [code for code in NASTY if effects_of(code, names).harmless]
    run = [code for code in HARMLESS if effects_of(code, names).harmless]
    figure(f"of {len(NASTY)} that are not, called harmless", len(passed), "", limit=0)
    figure(f"of {len(HARMLESS)} harmless ones, run without asking", 100 * len(run) / len(HARMLESS), "%")
    took = median(
        [milliseconds(lambda code=code: effects_of(code, names))[0] for code in (*HARMLESS, *NASTY)]
    )
    figure("a guess", took, "ms")


def main(words: list[str]) -> None:
    """Print what is asked for."""
    parts = {"steps": steps, "caching": caching, "checkpoints": checkpoints, "effects": effects}
    only = words[words.index("--only") + 1].split(",") if "--only" in words else list(parts)
    for name in only:
        parts[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
