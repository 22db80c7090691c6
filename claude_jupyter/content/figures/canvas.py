"""A matplotlib canvas that hands over pixels instead of writing a file: `savefig(into, format="pixels", backend=…)` loads it.

matplotlib imports this module when such a figure is drawn; nothing of ours does. It is not a backend to select.
"""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: TID253 - matplotlib itself is who imports this


class FigureCanvas(FigureCanvasAgg):
    """Draws as matplotlib's own PNG canvas does."""

    def print_pixels(self, into: Any, **_: Any) -> None:
        """Draw, and append the RGBA pixels (height, width, 4) to `into`."""
        FigureCanvasAgg.draw(self)
        into.append(memoryview(self.buffer_rgba()))
