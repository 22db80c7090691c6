"""Work with Claude inside a Jupyter notebook: `%load_ext claude_jupyter`, then `%%claude`.

From Python: `from claude_jupyter import claude`, then `claude.ask("…", df)`. Importing this imports neither the SDK nor widgets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_jupyter import errors

__version__ = "0.2.0"

__all__ = [
    "Answer",
    "ClaudeError",
    "Conversation",
    "__version__",
    "claude",
    "errors",
    "file",
    "load_ipython_extension",
    "register",
    "unload_ipython_extension",
]

if TYPE_CHECKING:
    from claude_jupyter.answer.model import Answer
    from claude_jupyter.content import file, register
    from claude_jupyter.conversation.conversation import Conversation
    from claude_jupyter.errors import ClaudeError
    from claude_jupyter.extension import load_ipython_extension, unload_ipython_extension

    claude: Conversation

_HOMES = {
    "Answer": "answer.model",
    "ClaudeError": "errors",
    "file": "content",
    "load_ipython_extension": "extension",
    "register": "content",
    "unload_ipython_extension": "extension",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "claude":
        return import_module("claude_jupyter.extension").current()
    if name == "Conversation":
        return import_module("claude_jupyter.extension").conversation_type()
    if name in _HOMES:
        return getattr(import_module(f"claude_jupyter.{_HOMES[name]}"), name)
    if isinstance(error := getattr(errors, name, None), type) and issubclass(error, errors.ClaudeError):
        return error  # `except claude_jupyter.RateLimitError`, as with the SDK
    raise AttributeError(f"module 'claude_jupyter' has no attribute {name!r}")
