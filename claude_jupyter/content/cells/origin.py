"""Which figure an image was drawn from: while the figure exists and is unchanged, its numbers can be sent with the image."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import Any

from claude_jupyter.content.guard import libraries


@dataclass(frozen=True, slots=True)
class Origin:
    """A figure that was shown; it is not kept alive.

    Attributes
    ----------
    marks
        What reveals that it has been changed since.
    """

    reference: weakref.ReferenceType[Any]
    marks: tuple[Any, ...] = ()

    def is_of(self, other: Origin) -> bool:
        """Whether both are the same figure."""
        return self.reference() is not None and self.reference() is other.reference()

    def figure(self) -> Any:
        """The figure; None if it is gone or no longer what was shown."""
        figure = self.reference()
        return figure if figure is not None and _marks(figure) == self.marks else None


def origin_of(value: Any) -> Origin | None:
    """The figure that is being shown, just drawn; None for anything else."""
    matplotlib = sys.modules.get("matplotlib.figure")
    if matplotlib is not None and isinstance(value, matplotlib.Figure):
        return Origin(weakref.ref(value), _marks(value))
    drawn_by = {"plotnine", "seaborn"}  # their plots are immutable: changing one creates another
    return Origin(weakref.ref(value)) if libraries(value) & drawn_by else None


def _marks(figure: Any) -> tuple[Any, ...]:
    """Its artists, those among them that were changed after they were drawn, and its words."""
    marks: list[Any] = []
    for ax in getattr(figure, "axes", ()):
        artists = [*ax.lines, *ax.patches, *ax.collections, *ax.images]
        marks += [(id(artist), bool(artist.stale)) for artist in artists]
        marks += [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
    return tuple(marks)
