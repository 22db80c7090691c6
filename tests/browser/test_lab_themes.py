"""How an answer looks in JupyterLab's own themes, at 200 % zoom and in a narrow window, in both frontends.

Nothing is cut, nothing scrolls sideways but tables and code within themselves, axe-core finds nothing. `SCREENSHOTS=<folder>` keeps a
picture of each to look at.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from test_lab_access import AXE, BLOCKS, violations

THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
SIZES = {"zoom": (640, 450), "narrow": (400, 700)}  # 1280 x 900 at 200 %, and a window beside another
PLACES = (".cj-Answer", ".cm-content.cj-prompt")
SIDEWAYS = """() => [document.documentElement,
        ...document.querySelectorAll('.jp-WindowedPanel-outer, .jp-NotebookPanel-notebook, .cj-Output, .cj-Answer, .cj-foot')]
    .filter(node => node.scrollWidth > node.clientWidth + 1)
    .map(node => `${node.className || node.tagName} ${node.scrollWidth} > ${node.clientWidth}`)"""
BROKEN = """() => [...document.querySelectorAll('.cj-md :is(td, th)')].filter(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
    return lines > cell.innerText.trim().split(/\\s+/).length;
}).map(cell => cell.innerText)"""
LONG = """A long-identifier_without_any_blank_in_it_that_would_push_the_page_wide_open_if_it_could_and_then_some_more_of_it_to_be_sure

| a | b | c | d | e | f | g | h |
|---|---|---|---|---|---|---|---|
| some words | some words | some words | some words | some words | some words | some words | some words |

```python
a_line_of_code = "that is longer than the window is wide, so that it must scroll within its own frame, and only there"
```

$$\\sum_{n=1}^{\\infty} a_n + b_n + c_n + d_n + e_n + f_n + g_n + h_n + i_n + j_n + k_n + l_n + m_n + n_n + o_n + p_n + q_n = 0$$
"""


def picture(page: Page, name: str) -> None:
    """Keep what the page looks like, where somebody wants to see it."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")


def wear(page: Page, theme: str) -> None:
    """Change the theme, as the Settings menu does."""
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", arg=theme
    )
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)


def test_an_answer_in_each_theme_and_size(open_notebook, frontend):
    notebook = open_notebook(
        [
            "import by_hand",
            "%%claude sales fig -m opus\\nWhy does {region} dip in **March**? See $x_i^2$ and `code`.".replace(
                "\\n", "\n"
            ),
            f"by_hand.say(thinking='Let me see.', blocks={BLOCKS!r})",
            f"by_hand.say({LONG!r} + by_hand.RICH, id='long')",
        ]
    )
    shutil.copy(Path(__file__).with_name("by_hand.py"), notebook.server.root)
    page = notebook.page
    for cell in (0, 2, 3):
        notebook.run(cell)
    for cell in (2, 3):
        expect(notebook.output(cell).locator(".cj-foot")).to_contain_text("$0.0134")
    if frontend == "lab":
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.add_script_tag(path=AXE)
    for theme in THEMES:
        wear(page, theme)
        for cell in (2, 3):
            page.evaluate(
                "cell => window.jupyterapp.shell.currentWidget.content.scrollToItem(cell, 'start')", arg=cell
            )
            page.wait_for_timeout(300)
            picture(page, f"{frontend}-{theme.replace(' ', '-')}-{cell}")
        if frontend == "notebook7":  # JupyterLab: test_lab_access.py
            found = violations(page, *PLACES)
            assert not found, "\n".join(found)
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        for cell in (2, 3):
            foot = notebook.output(cell).locator(".cj-foot")
            foot.scroll_into_view_if_needed()
            page.wait_for_timeout(200)
            picture(page, f"{frontend}-{name}-{cell}")
            for part in (".cj-model", ".cj-tokens", ".cj-price", ".cj-time"):
                expect(foot.locator(part)).to_be_in_viewport(ratio=1)
        assert page.evaluate(SIDEWAYS) == []
        assert page.evaluate(BROKEN) == [], "within a word"
        # Wide formulas and tables scroll within themselves; browsers let the keyboard into such regions, axe does not know that.
        found = [
            line for line in violations(page, *PLACES) if not line.startswith("scrollable-region-focusable")
        ]
        assert not found, "\n".join(found)
    assert notebook.watch.errors == []


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_the_widget_alone_in_each_theme_and_size(open_notebook):
    notebook = open_notebook(
        [
            "import by_hand",
            f"by_hand.say({LONG!r} + by_hand.RICH, chunk=99, blocks={BLOCKS!r}, until='looked')",
        ],
        extension=False,
    )
    shutil.copy(Path(__file__).with_name("by_hand.py"), notebook.server.root)
    page, answer = notebook.page, notebook.output(1).locator(".cj-Answer")
    notebook.run(0)
    notebook.start(1)
    expect(answer).to_contain_text("Not sent: over budget.")
    expect(answer.locator("math")).to_have_count(4)
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.add_script_tag(path=AXE)
    for theme in THEMES:
        wear(page, theme)
        page.wait_for_timeout(300)
        picture(page, f"widget-{theme.replace(' ', '-')}")
        found = violations(page, ".cj-Answer")
        assert not found, "\n".join(found)
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        answer.locator(".cj-stop").scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        picture(page, f"widget-{name}")
        expect(answer.locator(".cj-stop")).to_be_in_viewport(ratio=1)
        assert page.evaluate(SIDEWAYS) == []
    (notebook.server.root / "looked").touch()
    notebook.wait_until_done(1)
    assert notebook.watch.errors == []
