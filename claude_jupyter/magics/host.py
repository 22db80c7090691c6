"""What the magics use of the extension (`extension.py`, which puts them together and so cannot be imported here)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from claude_jupyter.content.cells.recorder import Recorder
    from claude_jupyter.conversation.conversation import Conversation
    from claude_jupyter.conversation.environment import Environment
    from claude_jupyter.display.shell import Shell
    from claude_jupyter.magics.page.page_settings import PageSettings


class Host(Protocol):
    """The extension in this kernel.

    Attributes
    ----------
    ip
        IPython's shell.
    shell
        What of IPython is needed to show answers and to know the cell.
    recorder
        What the notebook's cells showed.
    """

    ip: Any
    shell: Shell
    recorder: Recorder | None
    page_settings: PageSettings

    @property
    def env(self) -> Environment:
        """The environment of the conversations, assembled on first use."""
        ...

    @property
    def claude(self) -> Conversation:
        """The kernel's conversation."""
        ...
