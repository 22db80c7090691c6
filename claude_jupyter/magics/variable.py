"""The variable `claude` in the user's namespace: bound by `%load_ext`, though the conversation is only assembled when it is used."""

from __future__ import annotations

from typing import Any, Final

from claude_jupyter.magics.host import Host

NAME: Final = "claude"


class LazyConversation:
    """The kernel's conversation as long as no cell has used it: the first that names it gets the conversation itself."""

    def __init__(self, extension: Host) -> None:
        object.__setattr__(self, "_extension", extension)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._extension.claude, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._extension.claude, name, value)

    def __dir__(self) -> list[str]:
        return dir(self._extension.claude)

    def __repr__(self) -> str:
        return repr(self._extension.claude)


class ConversationVariable:
    """`claude` of one shell's user.

    Parameters
    ----------
    extension
        What the extension is in this kernel: its shell, and the conversation.
    """

    def __init__(self, extension: Host) -> None:
        self._extension = extension
        self._lazy = LazyConversation(extension)

    def bind(self) -> None:
        """Bind the name, unless it is the user's already; then say so."""
        space = self._extension.ip.user_ns
        if NAME in space and not _is_ours(space[NAME]):
            self._extension.shell.warn(
                f"`{NAME}` is one of your variables and was left unchanged. "
                f"To use the conversation by another name: from claude_jupyter import {NAME} as conversation"
            )
            return
        if NAME not in space:
            self._extension.ip.push({NAME: self._lazy}, interactive=False)
        self._extension.ip.events.register("pre_run_cell", self._before)

    def unbind(self) -> None:
        """Take the name back, if it is still ours."""
        space = self._extension.ip.user_ns
        if self._before in self._extension.ip.events.callbacks["pre_run_cell"]:
            self._extension.ip.events.unregister("pre_run_cell", self._before)
        if _is_ours(space.get(NAME)):
            self._extension.ip.drop_by_id({NAME: space[NAME]})

    def _before(self, info: Any) -> None:
        space = self._extension.ip.user_ns
        if space.get(NAME) is self._lazy and NAME in (info.raw_cell or ""):
            self._extension.ip.push({NAME: self._extension.claude}, interactive=False)


def _is_ours(value: Any) -> bool:
    return type(value).__module__.startswith("claude_jupyter.")
