"""What is released: sdist and wheel hold what belongs in them and nothing else, and install and run in a clean environment."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import claude_jupyter

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
"""The user's own, where pip's settings are: `tests/run` sets another."""
BUILT = ("claude_jupyter/labextension", "claude_jupyter/display/static")
"""Made from `labextension/` and not in git."""
EXTENSION = "share/jupyter/labextensions/claude-jupyter"
NOTEBOOKS = ("quickstart.ipynb", "seattle-weather.csv", "seattle-weather.LICENSE.md")
pytestmark = pytest.mark.timeout(900)  # environments are made, and JupyterLab is installed
LARGEST_WHEEL = 1_500_000
MOST_ADDED = 45
MOST_ADDED_BYTES = 90e6
DEMO = {"CLAUDE_JUPYTER_PROVIDER": "demo", "CLAUDE_JUPYTER_DEMO_PACE": "0"}
INSTALLED = """
import importlib.metadata, json, os
sizes = {}
for found in importlib.metadata.distributions():
    files = [found.locate_file(f) for f in found.files or () if f.suffix != ".pyc"]
    sizes[found.name.lower()] = sum(os.path.getsize(f) for f in files if os.path.exists(f))
print(json.dumps(sizes))
"""


class Built(NamedTuple):
    sdist: Path
    wheel: Path


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> str:
    """What a command writes; it must succeed."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "JUPYTER_PATH")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        cwd=cwd,
        env=kept | env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(python: Path, *words: str | Path) -> None:
    env = {"HOME": str(HOME), "XDG_CONFIG_HOME": str(HOME / ".config")}
    run(python, "-m", "pip", "install", "-q", "--no-compile", "--prefer-binary", *words, **env)


def environment(folder: Path) -> Path:
    """A new virtual environment; its Python."""
    run(sys.executable, "-m", "venv", folder)
    return folder / "bin" / "python"


def installed(python: Path) -> dict[str, int]:
    """Bytes of every distribution, without byte code and without what every environment begins with."""
    sizes: dict[str, int] = json.loads(run(python, "-c", INSTALLED, cwd=python.parent))
    return {name: size for name, size in sizes.items() if name not in ("pip", "setuptools")}


def tracked(*under: str) -> set[str]:
    """Files that git knows or would take."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *under)
    return {name for name in run(*command).splitlines() if (ROOT / name).is_file()}


def made(folder: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist of this tree, and the wheel made from that sdist; the JavaScript is built already."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, built: Built) -> tuple[Path, dict[str, int]]:
    """An environment with the wheel and what it needs, and what of that a kernel did not bring."""
    python = environment(tmp_path_factory.mktemp("clean") / "env")
    pip(python, "ipykernel")
    before = installed(python)
    pip(python, built.wheel)
    return python, {name: size for name, size in installed(python).items() if name not in before}


def names_in(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def told(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}", flush=True)


def test_the_sdist_holds_the_tree_and_what_is_built_from_it(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    expected = tracked(*included) | {"pyproject.toml", ".gitignore", "PKG-INFO"}
    expected |= set().union(*(made(folder) for folder in BUILT))
    found = names_in(built.sdist)
    assert (found - expected, expected - found) == (set(), set())
    told(capsys, f"sdist: {len(found)} files, {built.sdist.stat().st_size / 1e6:.2f} MB")


def test_the_wheel_holds_the_package_and_nothing_of_the_workshop(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    label = f"claude_jupyter-{claude_jupyter.__version__}"
    extension = {name.removeprefix(f"{BUILT[0]}/") for name in made(BUILT[0])} | {"install.json"}
    expected = tracked("claude_jupyter") | made(BUILT[1])
    expected |= {f"claude_jupyter/demo/notebooks/{name}" for name in NOTEBOOKS}
    expected |= {f"{label}.data/data/{EXTENSION}/{name}" for name in extension}
    told_by = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    expected |= {f"{label}.dist-info/{name}" for name in told_by}
    found = names_in(built.wheel)
    assert (found - expected, expected - found) == (set(), set())
    assert not [name for name in found if name.endswith((".map", ".ts", ".tsbuildinfo"))]
    assert len([name for name in found if "/static/remoteEntry" in name]) == 1
    size = built.wheel.stat().st_size
    told(capsys, f"wheel: {len(found)} files, {size / 1e6:.2f} MB")
    assert size < LARGEST_WHEEL


def test_one_version_everywhere() -> None:
    extension = json.loads((ROOT / "labextension" / "package.json").read_text())
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())
    heading = next(
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    )
    versions = {extension["version"], lock["version"], lock["packages"][""]["version"], heading.split()[1]}
    assert versions == {claude_jupyter.__version__}


def test_the_base_install_stays_small(
    clean: tuple[Path, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    python, added = clean
    every, megabytes = installed(python), sum(added.values()) / 1e6
    whole = f"{len(every)} distributions and {sum(every.values()) / 1e6:.0f} MB in all"
    told(
        capsys,
        f"base install: {len(added)} distributions and {megabytes:.0f} MB beside a kernel's own; {whole}",
    )
    assert len(added) <= MOST_ADDED and sum(added.values()) <= MOST_ADDED_BYTES
    run(python, "-m", "pip", "check")


def test_the_base_install_says_how_things_stand(clean: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    python, _ = clean
    command = python.parent / "claude-jupyter"
    env = {"HOME": str(tmp_path), "CLAUDE_JUPYTER_DATA_DIR": str(tmp_path / "data")} | DEMO
    said = run(command, "check", cwd=tmp_path, **env)
    assert claude_jupyter.__version__ in said and "enabled" in said and "claude-jupyter[lab]" in said
    done = subprocess.run(
        [command, "demo", "--execute", tmp_path / "out.ipynb"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("\n")) == (1, 1) and "claude-jupyter[lab]" in done.stdout


def test_with_jupyterlab_the_demo_runs_and_the_extension_is_there(
    clean: tuple[Path, dict[str, int]], built: Built, tmp_path: Path
) -> None:
    python, _ = clean
    pip(python, f"{built.wheel}[lab]")
    env = {
        "HOME": str(tmp_path),
        "CLAUDE_JUPYTER_DATA_DIR": str(tmp_path / "data"),
        **DEMO,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    out = tmp_path / "out.ipynb"
    said = run(python.parent / "claude-jupyter", "demo", "--execute", out, cwd=tmp_path, **env)
    assert "nothing billed" in said
    cells = json.loads(out.read_text())["cells"]
    assert not [o for cell in cells for o in cell.get("outputs", ()) if o["output_type"] == "error"]
    listed = subprocess.run(
        [python, "-m", "jupyter", "labextension", "list"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | env,
    )
    lines = (listed.stdout + listed.stderr).splitlines()
    assert [line for line in lines if "claude-jupyter" in line and "enabled" in line and "OK" in line]
