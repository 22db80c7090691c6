"""The parts of `tests/run`: the commands of each one, the environment they run in, and the closing table."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from support.ground import LABEXTENSION, ROOT, Ground

Command = list[str]
KEEP = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "CI", "NODE_OPTIONS", "LD_LIBRARY_PATH",
    # How much is tried: see the tests that read them.
    "ENDURANCE", "ENDURANCE_KERNELS", "ENDURANCE_QUESTIONS", "ENDURANCE_SECONDS", "FAULTS", "HYPOTHESIS", "HYPOTHESIS_TIMES",
    "INERT_DOCUMENTS", "INERT_SEED", "MACHINE_EXAMPLES", "RECONCILED_CALLS", "SCALING", "COMPAT_PYTHONS",
)  # fmt: skip
TOLD = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
CLOSING = re.compile(
    r"^(=+ )?\d+ (passed|failed|error|skipped|xfailed|deselected).* in \d|^\s*Tests\s.*passed"
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class Outcome:
    """How a part ended."""

    part: str
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list[str])
    counts: dict[str, int] = field(default_factory=dict[str, int])


def _pytest(*words: str) -> Callable[[Ground, Sequence[str]], list[Command]]:
    def commands(ground: Ground, extra: Sequence[str]) -> list[Command]:
        return [[str(ground.python), "-m", "pytest", "-q", "--durations=5", *words, *extra]]

    return commands


def _lint(ground: Ground, extra: Sequence[str]) -> list[Command]:
    python = str(ground.python)
    return [
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "ruff", "format", "--check", "."],
        [str(ground.python.parent / "lint-imports")],
        [python, "tests/support/tree.py"],
    ]


def _types(ground: Ground, extra: Sequence[str]) -> list[Command]:
    return [
        [str(ground.python), "-m", "pyright", "--pythonpath", str(ground.python)],
        ["node", "node_modules/typescript/bin/tsc", "--noEmit"],
    ]


def _ts(ground: Ground, extra: Sequence[str]) -> list[Command]:
    return [["npm", "test", "--silent"]]


def _bench(ground: Ground, extra: Sequence[str]) -> list[Command]:
    """This project beside the alternatives; with `alone` its own figures instead, one file after the other.

    The alternatives' environments are made here, where pip still has the user's settings.
    """
    folder = ROOT / "tests" / "benchmarks"
    beside = folder / "bench_beside.py"
    if "alone" in extra:
        return [
            [str(ground.python), str(path)] for path in sorted(folder.glob("bench_*.py")) if path != beside
        ]
    if not {"-h", "--help"} & set(extra):
        subprocess.run(
            [str(ground.python), str(beside), *extra, "--install"], stdin=subprocess.DEVNULL, check=False
        )
    return [[str(ground.python), str(beside), *extra]]


def _secrets(ground: Ground, extra: Sequence[str]) -> list[Command]:
    return [[str(ground.python), "tests/secrets_audit.py"]]


def _compat(ground: Ground, extra: Sequence[str]) -> list[Command]:
    return [[str(ground.python), "tests/compat.py", *extra]]


PARTS: dict[str, Callable[[Ground, Sequence[str]], list[Command]]] = {
    "lint": _lint,
    "types": _types,
    "ts": _ts,
    "unit": _pytest("tests/unit", "tests/inert"),
    "kernel": _pytest("tests/kernel"),
    "wire": _pytest("tests/wire"),
    "notebooks": _pytest(
        "notebooks", "--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg"
    ),
    "browser": _pytest(  # mostly waiting, so two at once
        *(
            "tests/browser",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "--screenshot",
            "only-on-failure",
            "--output",
            "tests/.artifacts",
        )
    ),
    "bench": _bench,
    "compat": _compat,
    "secrets": _secrets,
}
DEFAULT = tuple(part for part in PARTS if part not in ("bench", "compat"))
LAST = "secrets"
"""It searches what the other parts left, which is kept until then."""


SETTINGS = {"notebooks": {"CLAUDE_JUPYTER_PROVIDER": "demo", "CLAUDE_JUPYTER_DEMO_PACE": "0"}}
"""What a part needs besides the clean environment: the notebooks are answered by the demo model."""
LONGEST = 40 * 60
"""Seconds after which a command is taken to hang."""


def environment(home: Path, ground: Ground) -> dict[str, str]:
    """Nothing of the user: an empty home, no Jupyter settings, no key, no proxy, no setting of ours."""
    env = {name: os.environ[name] for name in KEEP if name in os.environ}
    env["PATH"] = f"{ground.python.parent}{os.pathsep}{env['PATH']}"
    folders = {
        "HOME": "home",
        "XDG_CONFIG_HOME": "home/.config",
        "XDG_CACHE_HOME": "home/.cache",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter/config",
        "JUPYTER_DATA_DIR": "jupyter/data",
        "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
        "CLAUDE_JUPYTER_DATA_DIR": "data",
        "TMPDIR": "tmp",
        "TESTS_SAID": "said",
    }
    for name, folder in folders.items():
        (home / folder).mkdir(parents=True, exist_ok=True)
        env[name] = str(home / folder)
    if ground.chromium is not None:
        env["CHROMIUM"] = str(ground.chromium)
    return env | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "JUPYTER_PLATFORM_DIRS": "1",
        "NO_COLOR": "1",
    }


def run_parts(ground: Ground, parts: Sequence[str], extra: Sequence[str] = ()) -> int:
    """Run all `parts`, whatever fails on the way; print the closing table; the exit status."""
    kept: list[Path] = []
    try:
        outcomes = [_run_part(ground, part, extra, kept) for part in sorted(parts, key=LAST.__eq__)]
    finally:
        for home in kept:
            shutil.rmtree(home, ignore_errors=True)
    print("\n" + "-" * 78)
    for outcome in outcomes:
        counts = ", ".join(f"{n} {what}" for what, n in outcome.counts.items())
        word = "FAILED" if outcome.failures else "ok"
        print(f"{outcome.part:<10} {word:<7} {outcome.seconds:6.0f} s   {counts or '-'}")
        for failure in outcome.failures:
            print(f"{'':<10} {failure}")
    passed = sum(outcome.counts.get("passed", 0) for outcome in outcomes)
    failed = [outcome.part for outcome in outcomes if outcome.failures]
    seconds = sum(outcome.seconds for outcome in outcomes)
    print(f"{'all':<10} {'FAILED' if failed else 'ok':<7} {seconds:6.0f} s   {passed} passed")
    return 1 if failed else 0


def _run_part(ground: Ground, part: str, extra: Sequence[str], kept: list[Path]) -> Outcome:
    """Run a part in a home of its own, which is added to `kept`."""
    outcome = Outcome(part)
    home = Path(tempfile.mkdtemp(prefix=f"claude-jupyter-{part}-"))
    began = time.monotonic()
    if part == "browser" and ground.chromium is None:
        outcome.failures.append("no Chromium: apt-get install chromium, or name one in CHROMIUM")
    commands = PARTS[part](ground, extra)
    if part == LAST:
        commands = [[*command, *map(str, kept)] for command in commands]
    if not commands:
        outcome.failures.append("nothing to run")
    kept.append(home)
    with (home / "part.log").open("wb") as log:
        for command in commands:
            _run_command(command, environment(home, ground) | SETTINGS.get(part, {}), outcome, log)
    outcome.seconds = time.monotonic() - began
    return outcome


def _run_command(command: Command, env: dict[str, str], outcome: Outcome, log: BinaryIO) -> None:
    shown = " ".join(word.removeprefix(f"{ROOT}/") for word in command)
    print(f"\n== {outcome.part}: {shown}", flush=True)
    cwd = LABEXTENSION if command[0] in ("npm", "node") else ROOT
    counts: dict[str, int] = {}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        child = subprocess.Popen(command, cwd=cwd, env=env, start_new_session=True, **pipes)
    except OSError as error:
        outcome.failures.append(f"{shown}: {error}")
        return
    assert child.stdout is not None
    watchdog = threading.Timer(LONGEST, os.killpg, (child.pid, signal.SIGKILL))
    watchdog.start()
    for raw in child.stdout:
        log.write(raw)
        line = raw.decode(errors="replace")
        print(line, end="", flush=True)
        plain = COLOURS.sub("", line).rstrip()
        if CLOSING.search(plain):
            counts = {what: int(n) for n, what in TOLD.findall(plain)}
    status = child.wait()
    watchdog.cancel()
    if status:
        outcome.failures.append(f"{shown}: status {status}")
    for what in ("skipped", "xfailed", "xpassed"):
        if counts.get(what):
            outcome.failures.append(f"{counts[what]} {what}: every test runs, here and in CI")
    for what, n in counts.items():
        outcome.counts[what] = outcome.counts.get(what, 0) + n
