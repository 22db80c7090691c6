"""An environment of its own for each alternative, made on demand in `.bench-venvs` (git-ignored) and kept.

With uv where it is on hand, else venv and pip. What cannot be installed is told, not raised: the table then says so.
Only the standard library: `tests/run` calls this before the environment of the benchmark exists.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .alternatives import Alternative

ROOT = Path(__file__).resolve().parents[3]
VENVS = ROOT / ".bench-venvs"
KERNEL = "ipykernel"


@dataclass(frozen=True, slots=True)
class Home:
    """Where an alternative lives: its interpreter, its packages' versions; `missing` says why it is not there."""

    python: Path
    versions: dict[str, str] = field(default_factory=dict[str, str])
    missing: str = ""


def home(alternative: Alternative, *, install: bool = True) -> Home:
    """The environment of an alternative, installed first if need be."""
    if not alternative.packages:
        return Home(
            Path(sys.executable), versions(Path(sys.executable), ["claude-jupyter", "anthropic", KERNEL])
        )
    wanted = [*alternative.packages, KERNEL]
    mark = hashlib.sha256(json.dumps([sorted(wanted), sys.version]).encode()).hexdigest()
    folder = VENVS / mark[:12]
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = folder / "bench-stamp"
    if not stamp.exists():
        if not install:
            return Home(python, missing="not installed")
        print(f"bench: installing {' '.join(wanted)}", flush=True)
        if failure := _make(folder, python, wanted):
            shutil.rmtree(folder, ignore_errors=True)
            return Home(python, missing=f"could not be installed: {failure}")
        stamp.write_text("\n".join(wanted))
    names = [re.split(r"[<\[]", name)[0] for name in wanted]
    return Home(python, versions(python, [*names, "litellm", "openai", "anthropic"]))


def _make(folder: Path, python: Path, wanted: Sequence[str]) -> str:
    """Make the environment; empty, or the last line of what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    told = _call([uv, "venv", "-q", "--python", sys.executable, str(folder)]) if uv else "no uv"
    if uv and not told:
        told = _call([uv, "pip", "install", "-q", "--python", str(python), *wanted])
    if told:
        shutil.rmtree(folder, ignore_errors=True)
        told = _call([sys.executable, "-m", "venv", str(folder)])
        told = told or _call([str(python), "-m", "pip", "install", "-q", *wanted])
    return told


def _call(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False
        )
    except subprocess.TimeoutExpired:
        return "not done within ten minutes"
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
    return lines[-1][:200] if done.returncode else ""


def versions(python: Path, names: Sequence[str]) -> dict[str, str]:
    """The installed versions of these distributions, those that are there."""
    code = (
        "import importlib.metadata as m, json, sys\nfound = {}\nfor name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n    except m.PackageNotFoundError: pass\nprint(json.dumps(found))"
    )
    told = subprocess.run(
        [str(python), "-c", code, *names], capture_output=True, text=True, check=True
    ).stdout
    return json.loads(told)
