"""The README's picture, made of the real thing: the quick-start's question in JupyterLab, answered by the demo model.

`README_SCREENSHOTS=1` writes it to `.github/`; without that the same page is only checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from support.lab import Notebook, jupyter_server

from claude_jupyter.demo.command import answering, copy_notebook

TOP = Path(__file__).parents[2]
QUESTION = "%%claude weather fig"


@pytest.fixture
def quickstart(page: Page, tmp_path: Path) -> Iterator[Notebook]:
    """The quick-start notebook as `claude-jupyter demo` opens it, on a wide page with room for the whole answer."""
    folder = tmp_path / "lab"
    root = folder / "notebooks"
    path = copy_notebook(root)
    environ, _ = answering(root)
    added = {name: value for name, value in environ.items() if os.environ.get(name) != value}
    page.set_viewport_size({"width": 1180, "height": 1400})
    with jupyter_server("lab", folder, added) as server:
        yield Notebook(page, server, path).open()


def test_the_readmes_picture(quickstart):
    cells = json.loads(quickstart.path.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    asked = next(i for i, source in enumerate(sources) if source.startswith(QUESTION))
    page = quickstart.page
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    for index in range(asked + 1):
        if cells[index]["cell_type"] == "code":
            quickstart.run(index)
    answer = quickstart.output(asked).locator(".cj-Answer")
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator(".cj-att")).to_have_count(2)
    expect(answer.locator(".cj-foot")).to_contain_text("$")
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    page.evaluate(
        """index => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.activeCellIndex = index + 1;  // the toolbar and the mark of the active cell are elsewhere
            return content.scrollToItem(index, 'center');
        }""",
        asked,
    )
    page.mouse.move(0, 0)
    picture = _picture(page, quickstart, asked)
    image = Image.open(BytesIO(picture))
    assert 1000 <= image.width <= 1200 and image.height > 200
    assert len(picture) < 200_000
    if os.environ.get("README_SCREENSHOTS") == "1":
        (TOP / ".github").mkdir(exist_ok=True)
        (TOP / ".github" / "answer.png").write_bytes(picture)
    assert quickstart.watch.foreign == []
    assert quickstart.watch.errors == []


def _picture(page: Page, notebook: Notebook, index: int) -> bytes:
    """The cell with its answer, in few colors."""
    expect(notebook.cell(index).locator(".jp-cell-toolbar")).to_be_hidden()
    box = notebook.cell(index).bounding_box()
    assert box is not None
    clip = {name: round(box[name]) for name in ("x", "y", "width", "height")}
    shot = page.screenshot(clip=clip, animations="disabled")
    image = Image.open(BytesIO(shot)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = BytesIO()
    image.save(small, "PNG", optimize=True)
    return small.getvalue()
