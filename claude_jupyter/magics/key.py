"""`%claude_key`: a key typed into a hidden field, kept in this kernel or in the system's keyring; never in a cell."""

from __future__ import annotations

import re

from claude_jupyter.errors import MissingExtraError, StorageError, UsageError
from claude_jupyter.magics.host import Host

USAGE = """%claude_key             ask for a key (hidden input) and keep it in this kernel
%claude_key --save      also save it in the system's keyring
%claude_key --forget    remove it from this kernel and from the keyring"""
_OPTION = re.compile(r"--?[a-z]{1,12}")


def enter_key(line: str, extension: Host) -> str:
    """Ask for a key and put it in use.

    Parameters
    ----------
    line
        Empty, `--save` (also into the system's keyring), `--forget` (out of kernel and keyring) or `--help`.

    Returns
    -------
    str
        What was done, in one line; or what can be done.

    Raises
    ------
    UsageError
        For anything else on the line, above all a key.
    """
    word = line.strip()
    if word == "--forget":
        extension.env.service.key = None
        _forget()
        return "The key was removed."
    if word in ("--help", "-h", "help"):
        return USAGE
    if _OPTION.fullmatch(word) and word != "--save":
        raise UsageError(f"%claude_key has no {word}, only --save and --forget")
    if word not in ("", "--save"):
        raise UsageError(
            "%claude_key does not accept a key on its line (the notebook would save it), only --save or --forget"
        )
    import getpass

    try:
        key = getpass.getpass("Anthropic API key (hidden): ").strip()
    except Exception as error:
        # ipykernel raises StdinNotImplementedError where the frontend cannot ask.
        raise UsageError(
            "this frontend cannot ask for a key: set ANTHROPIC_API_KEY before starting Jupyter"
        ) from error
    if not key:
        return "No key entered; nothing has changed."
    if any(c.isspace() for c in key):
        raise UsageError("that is not a key: it contains spaces")
    extension.env.service.key = key
    if word == "--save":
        _save(key)
        return "The key is in use and saved in the system's keyring."
    return "The key is in use in this kernel; nothing was written."


def _save(key: str) -> None:
    from claude_jupyter.settings import data_dir

    try:
        import keyring
    except ImportError:
        raise MissingExtraError(
            'Saving a key needs an extra: pip install "claude-jupyter[keyring]".'
        ) from None
    try:
        keyring.set_password("claude-jupyter", "anthropic", key)
        (data_dir() / "keyring").touch(mode=0o600)
    except Exception as error:
        raise StorageError(
            f"The keyring did not accept the key ({type(error).__name__}); "
            "it is in use in this kernel only. For other kernels, set ANTHROPIC_API_KEY."
        ) from None


def _forget() -> None:
    from claude_jupyter.settings import data_dir

    marker = data_dir() / "keyring"
    if not marker.exists():
        return
    marker.unlink()
    try:
        import keyring

        keyring.delete_password("claude-jupyter", "anthropic")
    except Exception as error:
        raise StorageError(
            f"The key could not be removed from the keyring ({type(error).__name__})."
        ) from None
