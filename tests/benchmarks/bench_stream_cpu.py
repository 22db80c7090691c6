"""CPU of the kernel for a long answer, beside the SDK's own ways to read the same bytes and throw them away."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.figures import figure, title
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.raw_server import Play, raw_server, text_events

TOKENS = 100_000
SDK = """
import anthropic, time
_client = anthropic.Anthropic(max_retries=0)
_how = dict(model="claude-sonnet-5-5", max_tokens=100, messages=[{"role": "user", "content": "Write."}])
"""
HELPER = """
_at = time.process_time()
with _client.messages.stream(**_how) as _stream:
    for _event in _stream:
        pass
print(repr(time.process_time() - _at))
"""
RAW = """
_at = time.process_time()
for _event in _client.messages.create(stream=True, **_how):
    pass
print(repr(time.process_time() - _at))
"""


def cpu(kernel: Kernel, code: str) -> float:
    done = kernel.run(code, timeout=900)
    assert done.ok, done.error
    return float(done.stdout.strip().splitlines()[-1])


def ours(kernel: Kernel) -> float:
    before = kernel.value("__import__('time').process_time()")
    done = kernel.run("%%claude --once\nWrite.", cell_id="bench", timeout=900)
    assert done.ok, done.error
    return kernel.value("__import__('time').process_time()") - before


def main(tokens: int) -> None:
    events = text_events("abc " * tokens, size=4)
    blocks = [b"".join(events[i : i + 64]) for i in range(0, len(events), 64)]
    with tempfile.TemporaryDirectory() as folder, raw_server(Play(blocks)) as server:
        env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=f"{folder}/data")
        with running_kernel(Path(folder), env, LOAD) as kernel:
            kernel.run(SDK, timeout=120)
            server.reset(Play(text_events("warm")))
            kernel.run("%%claude --once\nWarm up.", cell_id="bench", timeout=120)
            server.reset(Play(blocks))
            title(f"CPU of the kernel for {tokens:,} tokens, one a delta, as fast as they come")
            helper = cpu(kernel, HELPER)
            raw = cpu(kernel, RAW)
            whole = ours(kernel)
            figure("SDK: messages.stream(), events thrown away", helper, "s")
            figure("SDK: create(stream=True), events thrown away", raw, "s", of=helper)
            figure("%%claude with a live view", whole, "s", of=helper, limit=0.8)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS)
