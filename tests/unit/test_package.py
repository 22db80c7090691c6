"""What `pip install` brings: the wheel holds the package, the built extension and the widget, and nothing of the workshop."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a wheel built from this tree (the JavaScript is built already)."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("claude_jupyter-*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


@pytest.mark.parametrize(
    "name",
    [
        "claude_jupyter/__init__.py",
        "claude_jupyter/py.typed",
        "claude_jupyter/display/static/widget.js",
        "data/share/jupyter/labextensions/claude-jupyter/package.json",
        "data/share/jupyter/labextensions/claude-jupyter/install.json",
        "dist-info/licenses/LICENSE",
    ],
)
def test_the_wheel_holds(name: str, wheel: list[str]):
    assert [found for found in wheel if found.endswith(name)], wheel


def test_the_extension_is_there_once(wheel: list[str]):
    entries = [name for name in wheel if "/static/remoteEntry" in name]
    assert len(entries) == 1 and "labextensions" in entries[0], entries


def test_the_workshop_stays_at_home(wheel: list[str]):
    tops = {name.split("/")[0].split("-")[0] for name in wheel}
    assert tops == {"claude_jupyter"}
    assert not [
        name for name in wheel if "node_modules" in name or name.endswith((".ts", ".tsbuildinfo", ".map"))
    ]
