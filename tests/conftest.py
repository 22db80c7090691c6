"""Every test runs as on a fresh machine: nothing of the user's settings, keys, proxies or home reaches it.

This holds also when pytest is called directly instead of through `tests/run`.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="claude-jupyter-tests-"))
PRIVATE = ("ANTHROPIC_", "CLAUDE_JUPYTER_", "AWS_", "JUPYTER", "IPYTHON", "XDG_")
PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
FOLDERS = {
    "HOME": "home",
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "CLAUDE_JUPYTER_DATA_DIR": "data",
}


def _leave_the_machine() -> None:
    # With the environment of another checkout `tests/run` names this one's built extension there.
    kept = {"JUPYTER_PATH"} if "TESTS_PYTHON" in os.environ else set[str]()
    for name in os.environ.keys() - kept:
        if name.startswith(PRIVATE) or name.upper() in PROXIES:
            del os.environ[name]
    for name, folder in FOLDERS.items():
        (HOME / folder).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(HOME / folder)
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"
    # A shell starts what it puts in the background deaf to Ctrl-C, and so are that one's own children.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_leave_the_machine()


def pytest_unconfigure() -> None:
    if "TESTS_SAID" not in os.environ:  # `tests/run` keeps it all for its last part, and removes it then
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh folder of user data (ledger, journal) for this test alone."""
    folder = tmp_path / "data"
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(folder))
    yield folder
