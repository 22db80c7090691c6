"""`claude-jupyter demo`: the quick-start notebook in a folder of the user's, opened in JupyterLab or run without a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from claude_jupyter.answer.codec import MIME
from claude_jupyter.client.credentials import credential
from claude_jupyter.costs.usage import Usage, dollars

FOLDER: Final = "claude-jupyter-demo"
NOTEBOOK: Final = "quickstart.ipynb"
BESIDE: Final = ("seattle-weather.csv", "seattle-weather.LICENSE.md")
_NEEDED: Final = {
    "jupyterlab": "JupyterLab",
    "nbclient": "nbclient",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
}
_TIMEOUT: Final = 900

Say = Callable[[str], None]


def notebooks() -> Path:
    """Where the notebook and its figures are kept: in the wheel next to this file, in a checkout at its top."""
    packed = Path(__file__).parent / "notebooks"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "notebooks"


def open_lab(say: Say, options: Sequence[str] = ()) -> int:
    """Copy the notebook into `claude-jupyter-demo` and open JupyterLab on it; returns JupyterLab's exit status."""
    if missing := _missing("jupyterlab", "pandas", "matplotlib"):
        say(missing)
        return 1
    copy = copy_notebook(Path.cwd() / FOLDER)
    environ, words = answering(copy.parent)
    say(words)
    say(f"Opening {copy.parent.name}/{copy.name} in JupyterLab; Ctrl-C here ends it.")
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in options:
        say("JupyterLab does not run as root unless you allow it: claude-jupyter demo -- --allow-root")
    command = [sys.executable, "-m", "jupyterlab", str(copy), *options]
    with subprocess.Popen(command, env=environ) as lab:
        while True:
            try:
                return lab.wait()
            except KeyboardInterrupt:  # JupyterLab got it too, and asks whether to stop
                continue


def copy_notebook(folder: Path) -> Path:
    """The notebook in `folder`, never over a copy that differs: that is the user's own work, so a new name is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BESIDE:
        if not (folder / name).exists():
            shutil.copyfile(notebooks() / name, folder / name)
    original = (notebooks() / NOTEBOOK).read_bytes()
    for target in _names(folder):
        if not target.exists():
            target.write_bytes(original)
            return target
        if target.read_bytes() == original:
            return target
    raise AssertionError("names do not end")


def _names(folder: Path) -> Iterator[Path]:
    yield folder / NOTEBOOK
    number = 2
    while True:
        yield folder / f"{Path(NOTEBOOK).stem}-{number}.ipynb"
        number += 1


def execute(out: Path, say: Say) -> int:
    """Run the notebook without a browser, write it executed to `out`, say what it cost; 0 only if every cell ran."""
    if missing := _missing("nbclient", "pandas", "matplotlib"):
        say(missing)
        return 1
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    if not out.parent.is_dir():
        say(f"There is no folder {out.parent} to write {out.name} into.")
        return 1
    if out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK):
        say(f"{out} cannot be written.")
        return 1
    book: Any = nbformat.read(notebooks() / NOTEBOOK, as_version=4)
    problem = ""
    with tempfile.TemporaryDirectory(prefix="claude-jupyter-demo-") as folder:
        environ, words = answering(Path(folder))
        say(words)
        for name in BESIDE:
            shutil.copyfile(notebooks() / name, Path(folder) / name)
        client = NotebookClient(
            book,
            timeout=_TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=[
                "--IPKernelApp.log_level=ERROR"
            ],  # its word on loopback TCP is none for a new user
        )
        try:
            # Nobody watches it stream.
            client.execute(env={"CLAUDE_JUPYTER_DEMO_PACE": "0", **environ})
        except CellExecutionError as error:
            problem = f"A cell failed with {error.ename}: {error.evalue}"
        except DeadKernelError:
            problem = "The kernel died."
    nbformat.write(book, out)
    for line in summary(book, failed=bool(problem)):
        say(line)
    say(f"Written to {out}.")
    if problem:
        say(problem)
    return 1 if problem else 0


def summary(book: Mapping[str, Any], *, failed: bool = False) -> list[str]:
    """What an executed notebook's answers cost, from what is in them: cells, questions, tokens, list price.

    `failed` says that the last cell that was begun did not run through; not every failure leaves an error output.
    """
    cells = [c for c in book["cells"] if c["cell_type"] == "code"]
    ran = sum(c.get("execution_count") is not None for c in cells) - failed
    answers = [
        output["data"][MIME]
        for cell in cells
        for output in cell.get("outputs", ())
        if MIME in output.get("data", {})
    ]
    usage = sum((Usage.from_json(a["usage"]) for a in answers), Usage())
    prices = [Decimal(a["cost"]) for a in answers if a.get("cost") is not None]
    known = len(prices) == len(answers)
    price = f"List price {dollars(sum(prices, Decimal(0)))}" if known else "List price unknown"
    free = bool(answers) and all(a["provider"] == "demo" or a.get("replayed") for a in answers)
    return [
        f"{ran} of {len(cells)} code cells ran, {len(answers)} questions were answered.",
        f"{usage.prompt:,} tokens in ({usage.cache_read:,} from the cache), {usage.output:,} out.",
        price + (" (demo, nothing billed)." if free else "."),
    ]


def _missing(*modules: str) -> str:
    """One line naming what is not installed; empty if all is."""
    names = [_NEEDED[m] for m in modules if find_spec(m) is None]
    if not names:
        return ""
    verb = "is" if len(names) == 1 else "are"
    return f'{" and ".join(names)} {verb} not installed here: pip install "claude-jupyter[lab]"'


def answering(folder: Path) -> tuple[dict[str, str], str]:
    """The environment for a Jupyter that works in `folder`, and a line on who will answer: the demo only if nothing else is set up."""
    environ = dict(os.environ)
    provider = environ.get("CLAUDE_JUPYTER_PROVIDER")
    if provider == "demo":
        return environ, "The embedded offline demo model answers (CLAUDE_JUPYTER_PROVIDER=demo)."
    if provider and provider != "anthropic":
        return environ, f"{provider} answers (CLAUDE_JUPYTER_PROVIDER)."
    credentials = credential(environ, folder)
    if credentials is not None:
        return environ, f"Claude answers; the key: {credentials.where}."
    environ["CLAUDE_JUPYTER_PROVIDER"] = "demo"
    return environ, (
        "No Anthropic key was found, so the embedded offline demo model answers, and nothing is billed "
        "(CLAUDE_JUPYTER_PROVIDER=demo, for this run only)."
    )
