"""The parts of `tests/run`: the commands of each one, the environment they run in, and the closing table."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
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
    "SHOTS",
)  # fmt: skip
TOLD = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
CLOSING = re.compile(
    r"^(=+ )?\d+ (passed|failed|error|skipped|xfailed|deselected).* in \d|^\s*Tests\s.*passed"
)
COLORS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class Outcome:
    """How a part ended."""

    part: str
    ended: bool = False
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list[str])
    counts: dict[str, int] = field(default_factory=dict[str, int])


TWO = ("-n", "2", "--dist", "loadfile")
"""Two files of tests at once: most tests wait for a kernel, a socket or a page."""
TWO_BALANCED = ("-n", "2", "--dist", "worksteal")
"""Two tests at once, where the tests of a file share nothing: no worker waits for the other one's last file."""


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
        [python, "tests/support/house.py", "--check"],
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
    "unit": _pytest("tests/unit", "tests/inert", *TWO),
    "kernel": _pytest("tests/kernel", *TWO),
    "wire": _pytest("tests/wire", *TWO),
    "servers": _pytest("tests/servers", *TWO),
    "package": _pytest("tests/package"),
    "notebooks": _pytest(
        *("notebooks", "--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg"),
        *TWO,
    ),
    "browser": _pytest(
        *("tests/browser", "--screenshot", "only-on-failure", "--output", "tests/.artifacts"), *TWO_BALANCED
    ),
    "bench": _bench,
    "compat": _compat,
    "secrets": _secrets,
}
DEFAULT = tuple(part for part in PARTS if part not in ("bench", "compat"))
LAST = "secrets"
"""It searches what the other parts left, which is kept until then."""
BESIDE = ("lint", "types", "ts", "servers", "package", "notebooks")
"""Short parts of one busy process, or of none while pip or npm loads: they run one after the other beside the long ones."""


SETTINGS = {"notebooks": {"CLAUDE_JUPYTER_PROVIDER": "demo", "CLAUDE_JUPYTER_DEMO_PACE": "0"}}
"""What a part needs besides the clean environment: the notebooks are answered by the demo model."""
QUIET = 180.0
"""Seconds without a word after which a command is taken to hang: longer than a test may take (`timeout` in pyproject.toml)."""
LONG_QUIET = {"bench": 40 * 60.0, "compat": 40 * 60.0, "package": 15 * 60.0}
"""The same for parts that install other environments, or measure for a long time between two lines."""


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
    if "TESTS_PYTHON" in os.environ:  # it may have been made for another checkout: this one comes first
        env["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
        env["JUPYTER_PATH"] = str(_own_labextension(home))
        env["TESTS_PYTHON"] = os.environ["TESTS_PYTHON"]  # so that conftest leaves that path alone
    return env | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "JUPYTER_PLATFORM_DIRS": "1",
        "NO_COLOR": "1",
    }


def _own_labextension(home: Path) -> Path:
    """A Jupyter data folder whose only content is this checkout's built extension."""
    link = home / "jupyter" / "checkout" / "labextensions" / "claude-jupyter"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT / "claude_jupyter" / "labextension")
    return link.parents[1]


def run_parts(ground: Ground, parts: Sequence[str], extra: Sequence[str] = ()) -> int:
    """Run all `parts`, whatever fails on the way; print the closing table; the exit status."""
    homes: list[Path] = []
    outcomes = {part: Outcome(part) for part in sorted(parts, key=LAST.__eq__)}
    long = [part for part in outcomes if part not in (*BESIDE, LAST)]

    def run(some: Iterable[str], live: bool) -> None:
        for part in some:
            _run_part(ground, outcomes[part], extra, homes, live)

    began = time.monotonic()
    try:
        # A daemon, so that Ctrl-C need not wait for it.
        beside = threading.Thread(
            target=run, args=([part for part in outcomes if part in BESIDE], not long), daemon=True
        )
        beside.start()
        run(long, True)
        beside.join()
        run([part for part in outcomes if part == LAST], True)
    finally:
        for home in homes:
            shutil.rmtree(home, ignore_errors=True)
    print("\n" + "-" * 78)
    for outcome in outcomes.values():
        if not outcome.ended:
            outcome.failures.append("it did not come to its end")
        counts = ", ".join(f"{n} {what}" for what, n in outcome.counts.items())
        word = "FAILED" if outcome.failures else "ok"
        print(f"{outcome.part:<10} {word:<7} {outcome.seconds:6.0f} s   {counts or '-'}")
        for failure in outcome.failures:
            print(f"{'':<10} {failure}")
    passed = sum(outcome.counts.get("passed", 0) for outcome in outcomes.values())
    failed = any(outcome.failures for outcome in outcomes.values())
    print(
        f"{'all':<10} {'FAILED' if failed else 'ok':<7} {time.monotonic() - began:6.0f} s   {passed} passed"
    )
    return 1 if failed else 0


def _run_part(ground: Ground, outcome: Outcome, extra: Sequence[str], homes: list[Path], live: bool) -> None:
    """Run a part in a home of its own, which is added to `kept`; what it prints comes at its end unless it is `live`."""
    part = outcome.part
    home = Path(tempfile.mkdtemp(prefix=f"claude-jupyter-{part}-"))
    began = time.monotonic()
    if part == "browser" and ground.chromium is None:
        outcome.failures.append("no Chromium: apt-get install chromium, or name one in CHROMIUM")
    commands = PARTS[part](ground, extra)
    if part == LAST:
        commands = [[*command, *map(str, homes)] for command in commands]
    if not commands:
        outcome.failures.append("nothing to run")
    homes.append(home)
    with (home / "part.log").open("wb") as log:
        for command in commands:
            _run_command(command, environment(home, ground) | SETTINGS.get(part, {}), outcome, log, live)
    if not live:
        _show((home / "part.log").read_bytes())
    outcome.seconds, outcome.ended = time.monotonic() - began, True


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


def _run_command(command: Command, env: dict[str, str], outcome: Outcome, log: BinaryIO, live: bool) -> None:
    words = " ".join(word.removeprefix(f"{ROOT}/") for word in command)
    head = f"\n== {outcome.part}: {words}\n".encode()
    log.write(head)
    if live:
        _show(head)
    cwd = LABEXTENSION if command[0] in ("npm", "node") else ROOT
    quiet = LONG_QUIET.get(outcome.part, QUIET)
    try:
        status, output = watched(command, cwd, env, log, quiet, live)
    except OSError as error:
        outcome.failures.append(f"{words}: {error}")
        return
    counts: dict[str, int] = {}
    for line in COLORS.sub("", output.decode(errors="replace")).splitlines():
        if CLOSING.search(line.rstrip()):
            counts = {what: int(n) for n, what in TOLD.findall(line)}
    if status is None:
        outcome.failures.append(f"{words}: no output for {quiet:.0f} s, taken to hang; its stacks are above")
    elif status:
        outcome.failures.append(f"{words}: status {status}")
    for what in ("skipped", "xfailed", "xpassed"):
        if counts.get(what):
            outcome.failures.append(f"{counts[what]} {what}: every test runs, here and in CI")
    for what, n in counts.items():
        outcome.counts[what] = outcome.counts.get(what, 0) + n


def watched(
    command: Command, cwd: Path, env: dict[str, str], log: BinaryIO, quiet: float, live: bool = True
) -> tuple[int | None, bytes]:
    """Run a command, print what it writes as it comes if it is `live`, and end it once it has been silent for `quiet` seconds.

    Returns
    -------
    tuple
        The exit status, None where it was ended; and all that it wrote.
    """
    child = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout is not None
    output = bytearray()
    hung = False
    with child.stdout as pipe:
        while not hung or child.poll() is None or select.select([pipe], [], [], 0)[0]:
            if not select.select([pipe], [], [], 10 if hung else quiet)[0]:
                # Pytest's faulthandler writes the stacks of all threads on SIGABRT; what is deaf to it is killed.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL if hung else signal.SIGABRT)
                hung = True
                continue
            data = os.read(pipe.fileno(), 65536)
            if not data:
                break
            output += data
            log.write(data)
            if live:
                _show(data)
    status = child.wait()
    return (None if hung else status), bytes(output)
