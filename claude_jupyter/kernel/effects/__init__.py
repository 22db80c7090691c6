"""What a proposed cell would do: `effects_of(source, namespace)`."""

from __future__ import annotations

from claude_jupyter.kernel.effects.effects import Effects, effects_of

__all__ = ["Effects", "effects_of"]
