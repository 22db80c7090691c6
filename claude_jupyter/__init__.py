"""Work with Claude inside a Jupyter notebook: `%load_ext claude_jupyter`, then `%%claude`.

From Python: `from claude_jupyter import claude`, then `claude.ask("…", df)`. Importing this imports neither the SDK nor widgets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "ClaudeError",
    "Conversation",
    "__version__",
    "claude",
    "file",
    "load_ipython_extension",
    "register",
    "unload_ipython_extension",
]

if TYPE_CHECKING:
    from claude_jupyter.content import file, register
    from claude_jupyter.conversation.conversation import Conversation
    from claude_jupyter.errors import ClaudeError
    from claude_jupyter.extension import load_ipython_extension, unload_ipython_extension
    from claude_jupyter.turns import Answer

    claude: Conversation

_HOMES = {
    "Answer": "turns",
    "ClaudeError": "errors",
    "Conversation": "conversation.conversation",
    "file": "content",
    "load_ipython_extension": "extension",
    "register": "content",
    "unload_ipython_extension": "extension",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "claude":
        return import_module("claude_jupyter.extension").current()
    if name in _HOMES:
        return getattr(import_module(f"claude_jupyter.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'claude_jupyter' has no attribute {name!r}")
