"""The oldest and the newest supported versions on every Python that can be had: `tests/run compat`, not part of the daily run.

    python tests/compat.py [NAME ...]

For each line of the table an environment of its own in `.compat/` is made (quick afterwards), the package installed in it, and the
tests of the main road run: load, ask, durable output, ledger, stop, magics, history, attachments, parsing. What a machine has no
interpreter for is listed as not had, and is no failure. `COMPAT_PYTHONS` names folders to look for interpreters in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".compat"
WINDOWS = sys.platform == "win32"
WATCHED = ("ipython", "ipykernel", "ipywidgets", "jupyterlab", "notebook", "anthropic", "narwhals")
"""What the table shows the versions of."""
TOOLS = (
    "pytest>=9",
    "pytest-asyncio",
    "pytest-timeout",
    "hypothesis",
    "pandas",
    "matplotlib",
    "polars",
    "nbconvert",
    "comm",
    "psutil",
    "cryptography",
)


def _home() -> Path:
    """The user's own home, where interpreters and pip's settings are: `tests/run` sets another."""
    if WINDOWS:
        return Path.home()
    import pwd

    return Path(pwd.getpwuid(os.getuid()).pw_dir)


HOME = _home()
ASKING = "tests/kernel/test_asking.py::test_"
ROAD = (
    "tests/wire/test_demo_execute.py::test_the_quick_start_runs_without_a_key_and_says_what_it_cost",
    "tests/kernel/test_loading.py::test_nothing_heavy_is_imported_when_it_returns",
    "tests/kernel/test_loading.py::test_reload_and_unload",
    "tests/kernel/test_durable.py",
    "tests/kernel/test_stop.py::test_an_interrupt_ends_the_cell_and_the_connection",
    "tests/kernel/test_stop.py::test_a_stopped_cell_stops_run_all",
    "tests/kernel/test_stop.py::test_an_interrupted_answer_is_a_lower_bound_and_can_be_resumed",
    f"{ASKING}the_kernel_is_free_while_answers_stream_and_each_lands_in_its_cell",
    f"{ASKING}run_all_twice_gives_the_same_conversation",
    f"{ASKING}the_last_answer_is_underscore_and_is_shown_once",
    f"{ASKING}an_assigned_line_keeps_the_answer",
    f"{ASKING}an_interrupt_ends_a_tool_that_never_returns",
    "tests/kernel/test_costs.py::test_the_bill_in_all_its_forms",
    "tests/kernel/test_link.py::test_a_page_is_told_how_things_stand",
    "tests/kernel/test_magic_lines.py", "tests/kernel/test_completion.py", "tests/unit/test_lines.py", "tests/unit/test_bundle.py",
    "tests/unit/test_parse.py", "tests/unit/test_prices.py", "tests/unit/test_network.py", "tests/unit/test_client_faults.py",
    "tests/unit/test_tool_definitions.py",
)  # fmt: skip
NOT_ON_OLD = {
    f"{ASKING}the_kernel_is_free_while_answers_stream_and_each_lands_in_its_cell": "ipykernel 7.4: before it what other threads "
    "show is said in the newest cell's name, and pages put it right by its display id",
}
"""What the oldest versions cannot do, and why: passed over there, and said so in the table."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
FIRST = {
    "3.11": {"numpy": "1.26.4"},
    "3.12": {"numpy": "1.26.4", "pandas": "2.1.1"},
    "3.13": {"matplotlib": "3.9.2", "pandas": "2.2.3", "Pillow": "10.4.0"},
}
"""Where a floor was never built for a Python, the first version that was; and the NumPy that the old ones were built for."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment: the floors of pyproject.toml exactly, or the newest of everything."""

    python: str
    oldest: bool

    @property
    def name(self) -> str:
        """`3.11-oldest`."""
        return f"{self.python}-{'oldest' if self.oldest else 'newest'}"


SETTINGS = tuple(Setting(python, oldest) for python in PYTHONS for oldest in (True, False))


@dataclass(slots=True)
class Result:
    """What came of one environment."""

    setting: Setting
    versions: dict[str, str]
    outcome: str
    failed: bool = False


def floors() -> dict[str, str]:
    """The lowest version that pyproject.toml allows of each library that it names one for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = (*project["dependencies"], *project["optional-dependencies"]["lab"])
    found = (re.match(r"([\w.-]+)>=([\w.]+)", want) for want in wanted)
    return {match[1]: match[2] for match in found if match}


def interpreter(version: str) -> Path | None:
    """A Python of that version, on the path or where pyenv and uv keep theirs."""
    folders = [*os.environ.get("COMPAT_PYTHONS", "").split(os.pathsep)]
    kept = (HOME / ".pyenv" / "versions", HOME / ".local" / "share" / "uv" / "python")
    candidates = [Path(folder) / f"python{version}" for folder in folders if folder]
    candidates += [
        p / "bin" / "python" for place in kept if place.is_dir() for p in sorted(place.glob(f"*{version}.*"))
    ]
    candidates += [Path(found)] if (found := shutil.which(f"python{version}")) else []
    candidates.append(Path(sys.executable))
    for candidate in candidates:
        if candidate.exists() and said(candidate, "-c", ASK).strip() == version:
            return candidate
    return None


ASK = "import sys, venv; print(*sys.version_info[:2], sep='.')"


def said(*command: str | Path, **how: Any) -> str:
    """What a command wrote, whatever came of it."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **how)
    return re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)


def wants(setting: Setting) -> list[str]:
    """What is installed besides the package itself."""
    lowest = floors() | FIRST.get(setting.python, {})
    pins = [f"{name}=={version}" for name, version in lowest.items()]
    return [*(pins if setting.oldest else floors()), *TOOLS]


def prepared(setting: Setting, base: Path) -> Path | str:
    """The environment's Python, or in a line why there is none."""
    home = PLACE / setting.name
    python, stamp = home / ("Scripts/python.exe" if WINDOWS else "bin/python"), home / ".stamp"
    mark = "\n".join((*wants(setting), str(base)))
    if stamp.exists() and stamp.read_text() == mark:
        return python
    steps: Iterator[list[str]] = iter(
        (
            [str(base), "-m", "venv", "--clear", str(home)],
            [str(python), "-m", "pip", "install", "-q", "--upgrade", "pip"],
            [str(python), "-m", "pip", "install", "-q", "--prefer-binary", *wants(setting)],
            [str(python), "-m", "pip", "install", "-q", "--no-deps", "-e", str(ROOT)],
            [str(python), "-m", "pip", "check"],
        )
    )
    for step in steps:
        env = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"} | {
            "HOME": str(HOME)
        }
        done = subprocess.run(step, capture_output=True, text=True, check=False, cwd=PLACE, env=env)
        if done.returncode:
            lines = (done.stderr + done.stdout).strip().splitlines() or ["?"]
            why = (line.strip() for line in lines if re.search("ERROR|has requirement|requires", line))
            return f"not installed: {next(why, lines[-1])[:150]}"
    stamp.write_text(mark)
    return python


def versions(python: Path) -> dict[str, str]:
    """The installed versions of what the table shows."""
    ask = "import importlib.metadata as m, sys\nfor name in sys.argv[1:]: print(name, m.version(name))"
    return dict(line.split(" ", 1) for line in said(python, "-c", ask, *WATCHED).splitlines())


def run(setting: Setting) -> Result:
    """Make the environment, run the road in it."""
    base = interpreter(setting.python)
    if base is None:
        return Result(setting, {}, f"not had: no Python {setting.python} on this machine")
    PLACE.mkdir(exist_ok=True)
    python = prepared(setting, base)
    if isinstance(python, str):
        return Result(setting, {}, python, failed=True)
    with tempfile.TemporaryDirectory(prefix="claude-jupyter-compat-") as folder:
        env = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "TMPDIR": folder,
            "LANG": "C.UTF-8",
        }
        if WINDOWS:  # nothing runs there without its own variables
            env = {**os.environ, **env, "USERPROFILE": folder, "TEMP": folder, "TMP": folder}
        listed = said(python, "-m", "jupyter", "labextension", "list", env=env)
        seen = re.search(r"claude-jupyter \S+ .*enabled.*OK", listed)
        # Old versions deprecate what new ones replaced: warnings are not errors here.
        command = [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-W",
            "default",
            "--no-header",
            "-p",
            "no:cacheprovider",
            *ROAD,
            *(f"--deselect={test}" for test in NOT_ON_OLD if setting.oldest),
        ]
        log = PLACE / f"{setting.name}.log"
        with log.open("w") as file:
            done = subprocess.run(
                command, cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT, check=False
            )
    lines = [line for line in log.read_text().splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    outcome = lines[-1].strip("= ") if lines else f"pytest ended with {done.returncode}"
    if not seen:
        outcome += "; JupyterLab does not see the extension"
    return Result(setting, versions(python), outcome, bool(done.returncode) or not seen)


def main(names: Sequence[str]) -> int:
    """Run what is named, or all; print the table; 1 where something that was run failed."""
    chosen = [setting for setting in SETTINGS if not names or setting.name in names]
    results: list[Result] = []
    for setting in chosen:
        began = time.monotonic()
        results.append(run(setting))
        print(f"{setting.name}: {results[-1].outcome} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n{'':<13}" + "".join(f"{name:<12}" for name in WATCHED) + "outcome")
    for result in results:
        shown = "".join(f"{result.versions.get(name, '-'):<12}" for name in WATCHED)
        print(f"{result.setting.name:<13}{shown}{result.outcome}")
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
