"""Settings from JupyterLab's settings editor: the page sends them along, and they apply unless set elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from traitlets import TraitError

from claude_jupyter.settings import Settings, parse, refusal


class PageSettings:
    """What the page set in this kernel.

    The environment, config files and `%config ClaudeMagics` go before: a setting that is neither at its default nor as the page set
    it last is left alone.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._set: dict[str, Any] = {}
        self._warned: set[str] = set()

    def take(self, values: Any) -> list[str]:
        """Put them in use; what is refused comes back in words, each once."""
        refused: list[str] = []
        for name, value in values.items() if isinstance(values, Mapping) else ():
            try:
                self._take(str(name), value)
            except (TraitError, ValueError) as error:
                warning = f"JupyterLab's settings: {refusal(self._settings, str(name), error)}"
                if warning not in self._warned:
                    self._warned.add(warning)
                    refused.append(warning)
        return refused

    def _take(self, name: str, value: Any) -> None:
        trait = self._settings.traits(config=True).get(name)
        if trait is None or name not in Settings.class_trait_names():
            return
        now, default = getattr(self._settings, name), trait.default(self._settings)
        if now != self._set.get(name, default):
            return
        empty = value is None or (value == "" and not isinstance(default, str))
        parsed = parse(trait, str(value)) if not empty else None if trait.allow_none else default
        setattr(self._settings, name, parsed)
        self._set[name] = getattr(self._settings, name)
