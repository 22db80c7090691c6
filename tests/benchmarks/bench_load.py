"""CPU seconds of `%load_ext claude_jupyter` in a warm kernel, and what it imports; `import anthropic` for comparison."""

from __future__ import annotations

import tempfile
from pathlib import Path

from support.figures import figure, median, title
from support.kernel import running_kernel

HEAVY = ("anthropic", "ipywidgets", "PIL", "pydantic", "httpx2", "genai_prices", "narwhals", "sqlite3")
WARM = "import json, os\n1 + 1"
TIMED = """
import sys, time
_before = set(sys.modules)
_at = time.process_time()
{statement}
_cpu = time.process_time() - _at
print(repr((_cpu, sorted(set(sys.modules) - _before))))
"""
LOAD = "get_ipython().run_line_magic('load_ext', 'claude_jupyter')"


def timed(statement: str) -> tuple[float, list[str]]:
    with tempfile.TemporaryDirectory() as folder, running_kernel(Path(folder)) as kernel:
        kernel.run(WARM)
        kernel.complete("impor")
        done = kernel.run(TIMED.format(statement=statement))
        assert done.ok, done.error
        return eval(done.stdout.strip().splitlines()[-1])


def main() -> None:
    title("%load_ext claude_jupyter")
    runs = [timed(LOAD) for _ in range(7)]
    sdk = median([timed("import anthropic")[0] for _ in range(3)])
    figure("CPU of %load_ext, median of 7", median([cpu for cpu, _ in runs]), "s", limit=0.15)
    figure("CPU of `import anthropic` in the same kernel", sdk, "s")
    figure("%load_ext compared with it", median([cpu for cpu, _ in runs]), "s", of=sdk)
    new = set().union(*(modules for _, modules in runs))
    print("heavy modules loaded when it returns:", sorted(new & set(HEAVY)) or "none")
    print("modules it loaded:", len(new), "of ours:", len([m for m in new if m.startswith("claude_jupyter")]))


if __name__ == "__main__":
    main()
