"""A picture or a file that is pasted or dropped on a prompt cell is kept in the cell, or named by its path, and is sent."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
SOURCE = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.getSource()"
GIVE = """([node, kind, name, type, data, text]) => {
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, { type }));
    if (text) { files.setData('text/plain', text); }
    const event = kind === 'paste'
        ? new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true })
        : new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true });
    node.dispatchEvent(event);
}"""


def png(color: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (80, 60), color).save(stream, "PNG")
    return stream.getvalue()


def give(page: Page, content: Any, kind: str, name: str, type_: str, data: bytes, text: str = "") -> None:
    node = content.element_handle()
    page.evaluate(GIVE, [node, kind, name, type_, base64.b64encode(data).decode(), text])


def shoot(page: Page, name: str) -> None:
    """A picture to look at, where SHOTS names a folder."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def asked(service: Any) -> list[dict[str, Any]]:
    return [r for r in service.requests if r.path.startswith("/v1/messages")][-1].body["messages"][-1][
        "content"
    ]


def test_a_pasted_picture_and_a_dropped_file_stay_in_the_cell_and_are_sent(open_notebook, service):
    requests = service("Seen.")
    notebook = open_notebook([LOAD, "%%claude\nWhat is this?", "x = 1"])
    page = notebook.page
    notebook.run(0)
    content = notebook.cell(1).locator(".cm-content")
    content.click()
    give(page, content, "paste", "image.png", "image/png", png("red"))
    page.wait_for_function(f"() => ({SOURCE})(1).includes('attachment:image.png')")
    give(page, content, "drop", "image.png", "image/png", png("blue"))
    page.wait_for_function(f"() => ({SOURCE})(1).includes('attachment:image-2.png')")
    give(page, content, "drop", "my notes.txt", "text/plain", b"the moon is made of basalt")
    page.wait_for_function(f"() => ({SOURCE})(1).includes('notes.txt')")
    assert page.evaluate(SOURCE, 1) == (
        "%%claude -f attachment:image.png -f attachment:image-2.png -f attachment:my-notes.txt\nWhat is this?"
    )
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-att")).to_have_count(3)
    sent = asked(requests)
    pictures = [b for b in sent if b["type"] == "image"]
    colors = [
        Image.open(io.BytesIO(base64.b64decode(b["source"]["data"]))).convert("RGB").getpixel((0, 0))
        for b in pictures
    ]
    assert colors == [(255, 0, 0), (0, 0, 255)]
    assert "the moon is made of basalt" in str(sent) and "What is this?" in str(sent)

    shoot(page, "pasted")
    saved = notebook.save()
    kept = saved.cells[1].metadata["claude_jupyter"]["attachments"]
    assert sorted(kept) == ["image-2.png", "image.png", "my-notes.txt"]
    assert base64.b64decode(kept["image.png"]["image/png"]) == png("red")

    notebook.open()
    content = notebook.cell(1).locator(".cm-content")
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-att")).to_have_count(3)
    assert len([b for b in asked(requests) if b["type"] == "image"]) == 2
    content.click()
    page.keyboard.press("Control+z")  # nothing of it is lost by an undo, and text stays text
    give(page, content, "paste", "image.png", "image/png", png("red"), text="a\tb")
    page.wait_for_timeout(300)
    assert page.evaluate(SOURCE, 1).count("attachment:") == 3
    assert notebook.watch.errors == []


def test_a_file_of_the_file_browser_is_named_by_its_path(open_notebook, service, jupyter):
    requests = service("Seen.")
    server = jupyter("lab")
    folder = server.root / "my data"
    folder.mkdir(exist_ok=True)
    (folder / "figure.png").write_bytes(png("green"))
    notebook = open_notebook([LOAD, "%%claude\nWhat is this?"])
    page = notebook.page
    notebook.run(0)
    page.evaluate(
        "() => window.jupyterapp.commands.execute('filebrowser:open-path', { path: 'my data', dontShowBrowser: false })"
    )
    item = page.locator(".jp-DirListing-item", has_text="figure.png")
    expect(item).to_be_visible()
    content = notebook.cell(1).locator(".cm-content")
    expect(content).to_be_visible()
    a, b = item.bounding_box(), content.bounding_box()
    page.mouse.move(a["x"] + 40, a["y"] + 8)
    page.mouse.down()
    page.mouse.move(a["x"] + 80, a["y"] + 30, steps=4)
    page.mouse.move(b["x"] + 60, b["y"] + 12, steps=8)
    page.mouse.up()
    page.wait_for_function(f"() => ({SOURCE})(1).includes('figure.png')")
    assert page.evaluate(SOURCE, 1) == '%%claude -f "my data/figure.png"\nWhat is this?'
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-att")).to_contain_text("figure.png")
    (picture,) = [b for b in asked(requests) if b["type"] == "image"]
    color = (
        Image.open(io.BytesIO(base64.b64decode(picture["source"]["data"]))).convert("RGB").getpixel((0, 0))
    )
    assert color == (0, 128, 0)


def test_chips_open_what_was_sent_and_the_answer_is_copied(open_notebook, service):
    service("**Red**, and $x$ is 41.\n\n```python\nx\n```\n")
    plot = "import pandas as pd\nages = pd.DataFrame({'name': ['Ann', 'Bo'], 'age': [41, 17]})"
    notebook = open_notebook([f"{LOAD}\n{plot}", "%%claude ages\nWhat is this?"])
    page = notebook.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.run(0)
    content = notebook.cell(1).locator(".cm-content")
    content.click()
    give(page, content, "paste", "image.png", "image/png", png("red"))
    page.wait_for_function(f"() => ({SOURCE})(1).includes('attachment:image.png')")
    notebook.run(1)
    answer = notebook.output(1).locator(".cj-Answer")
    answer.get_by_role("button", name="ages").click()
    expect(answer.locator(".cj-sent")).to_contain_text("Ann")
    expect(answer.get_by_role("button", name="ages")).to_have_attribute("aria-expanded", "true")
    shoot(page, "chip-table")
    answer.get_by_role("button", name="image.png").click()
    picture = answer.locator(".cj-sent img")
    expect(picture).to_be_visible()
    assert picture.evaluate("node => node.naturalWidth") == 80
    shoot(page, "chip-picture")
    answer.get_by_role("button", name="image.png").click()
    expect(answer.locator(".cj-sent")).to_be_hidden()
    answer.get_by_role("button", name="Copy answer").click()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.strip() == "**Red**, and $x$ is 41.\n\n```python\nx\n```"
    notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    notebook.wait_for_kernel()
    answer.get_by_role("button", name="ages").click()
    expect(answer.locator(".cj-sent")).to_contain_text("%load_ext claude_jupyter")
    assert notebook.watch.errors == []
