"""What a hostile answer may hold, and how to see on a page whether any of it came alive."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Dialog, Page, Route

LABEXTENSION = Path(__file__).parents[2] / "labextension"
RUN = "document.title='ran'"
HOSTILE = [
    f'<img src=x onerror="{RUN}">',
    f"<script>{RUN}</script>",
    f"<svg/onload={RUN}>",
    f"[a link](javascript:{RUN})",
    "![pixel](https://evil.example/?q=1)",
    "[![in a link](https://evil.example/b.png)](https://evil.example/)",
    "![ref][r]\n\n[r]: https://evil.example/r.png",
    f'![$" onerror="{RUN}//$](x)',
    f"- a\n\n  ```\n  x\n```\ntext\n```\n<img src=x onerror={RUN}>\n```",
    f"| `a \\| <img src=x onerror={RUN}>` |\n|---|\n| `b \\| <img src=x onerror={RUN}>` |",
    f"[^1]: \n```html\n<img src=x onerror={RUN}>\n```",
    f"$$\n\n```\n$$\n<img src=x onerror={RUN}>\n```",
    f"$\\href{{javascript:{RUN}}}{{x}}$ and $\\style{{background:url(https://evil.example/s)}}{{x}}$",
    "<style>body{background:url(https://evil.example/css)}</style>",
    "<iframe src=https://evil.example/></iframe><object data=https://evil.example/></object>",
    '<div style="background:url(https://evil.example/d)">x</div>',
    "<link rel=stylesheet href=https://evil.example/l.css><base href=https://evil.example/>",
    "```mermaid\ngraph TD; A[<img src=https://evil.example/m onerror=alert(1)>]-->B;\n"
    'click A "javascript:alert(1)"\n```',
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<form action=javascript:alert(1)><input type=image src=https://evil.example/i></form>",
]
LOOK = """() => [...document.querySelectorAll('.jp-OutputArea *')].flatMap(node =>
  [...node.attributes].filter(a => a.name.startsWith('on') || /^\\s*(javascript|vbscript):/i.test(a.value))
    .map(a => `${node.tagName} ${a.name}=${a.value}`)
    .concat(/^(SCRIPT|IFRAME|OBJECT|EMBED|FORM|BASE|LINK)$/.test(node.tagName) ? [node.tagName] : []))"""


def payloads() -> list[str]:
    """DOMPurify's own test data: 185 published ways to run a script."""
    script = (
        "console.log(JSON.stringify(require('dompurify-corpus/test/fixtures/expect.js').map(t => t.payload)))"
    )
    told = subprocess.run(
        ["node", "-e", script], cwd=LABEXTENSION, check=True, capture_output=True, text=True
    )
    return json.loads(told.stdout)


class Dialogs(list[str]):
    """The dialogs that a page opens from now on: none, if nothing runs."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        page.on("dialog", self._answer)

    def _answer(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.append(dialog.message)
        dialog.accept()


def foreign(context: BrowserContext, host: str) -> list[str]:
    """Every address that pages of this context ask for from now on, but those of `host`, of files and of data; none is let through."""
    asked: list[str] = []

    def look(route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme in ("http", "https", "ws", "wss", "ftp") and parts.netloc != host:
            asked.append(route.request.url)
            route.abort()
        else:
            route.fallback()

    context.route("**/*", look)
    return asked
