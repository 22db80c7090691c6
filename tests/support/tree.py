"""What no other linter looks at: long files, what belongs to one machine or account, and files that CONTRIBUTING names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 600
SHORT_FILES = ("claude_jupyter/", "labextension/src/")
PUBLIC = {"registry.npmjs.org", "pypi.org", "files.pythonhosted.org"}
KEYS = {
    # Made-up keys in tests are shorter or plainly regular; real ones are about a hundred random letters.
    "an Anthropic key": re.compile(rb"sk-ant-(?:api|admin|oat|ort|sid)\d\d-[\w-]{80,}"),
    "a GitHub token": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "an npm token": re.compile(rb"\bnpm_[A-Za-z0-9]{36}\b|_authToken\s*=\s*\S"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(?:[A-Za-z0-9+/=]{60,}\s+){3}"),
}
REGISTRY = re.compile(
    rb"(?im)^\s*(?:registry|(?:extra-)?index-url)\s*=|--(?:extra-)?index-url|--registry[= ]"
)
NAMED = re.compile(r"`([\w./-]+\.(?:py|ts|json|toml))`")
LIST = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]


def tracked() -> Iterator[Path]:
    """Tracked files and new ones that git would take; in an unpacked sdist, all files."""
    listed = subprocess.run(LIST, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        ignored = {"node_modules", ".tests-venv", "__pycache__", ".venv"}
        yield from (path for path in ROOT.rglob("*") if path.is_file() and not ignored & set(path.parts))
        return
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    yield from (path for path in paths if path.is_file())


def machine_words() -> set[bytes]:
    """Paths and hosts of this machine that must not be in a file that others get."""
    words = {str(ROOT), os.environ.get("VIRTUAL_ENV", "")}
    words |= {str(ROOT.parent) + "/"} if len(ROOT.parent.parts) > 2 else {str(ROOT) + "/"}
    texts: list[str] = []
    for command in (["npm", "config", "get", "registry"], [sys.executable, "-m", "pip", "config", "list"]):
        try:
            texts.append(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        except OSError:
            continue
    texts += [value for name, value in os.environ.items() if "INDEX_URL" in name or "FIND_LINKS" in name]
    for url in re.findall(r"https?://[^\s'\"]+", " ".join(texts)):
        host = urlsplit(url).hostname
        if host and host not in PUBLIC:
            words.add(host)
    return {word.encode() for word in words if len(word) > 4}


def problems() -> Iterator[str]:
    """One line for each thing that is wrong."""
    words = machine_words()
    reasons = (ROOT / "CONTRIBUTING.md").read_text()
    paths = list(tracked())
    for named in NAMED.findall(reasons):
        if not any(path.as_posix().endswith(f"/{named}") for path in paths):
            yield f"CONTRIBUTING.md: there is no {named}"
    for path in paths:
        name, data = path.relative_to(ROOT).as_posix(), path.read_bytes()
        if name.startswith(SHORT_FILES) and name.endswith((".py", ".ts", ".tsx")):
            length = data.count(b"\n")
            if length > LONGEST and path.name not in reasons:
                yield f"{name}: {length} lines, at most {LONGEST} without a reason in CONTRIBUTING.md"
        if path.name == "package-lock.json" and b'"resolved"' in data:
            yield f'{name}: has "resolved" addresses; see .npmrc (omit-lockfile-registry-resolved)'
        if name.startswith("tests/wire/recordings/"):
            continue
        for what, pattern in KEYS.items():
            if pattern.search(data):
                yield f"{name}: looks as if it held {what}"
        if REGISTRY.search(data) and path != Path(__file__).resolve():
            yield f"{name}: names a package registry"
        for word in words:
            if word in data:
                yield f"{name}: names this machine ({word.decode()})"


if __name__ == "__main__":
    lines = list(problems())
    print(
        "\n".join(lines)
        or "tree: nothing of one machine, no key, no long file, no name of a file that is gone"
    )
    sys.exit(1 if lines else 0)
