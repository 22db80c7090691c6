"""What `%claude_fix` shows of a change reads the same in every viewer."""

from __future__ import annotations

from html.parser import HTMLParser

from claude_jupyter.display.diff import difference


def shown(html: str) -> str:
    """The text of HTML, as where all styles are stripped."""
    texts: list[str] = []
    parser = HTMLParser()
    parser.handle_data = texts.append  # type: ignore[method-assign]
    parser.feed(html)
    return "".join(texts)


def test_lines_that_go_and_come_have_signs_and_far_ones_are_left_out() -> None:
    before = "\n".join(f"line_{i} = {i}" for i in range(12))
    data, _ = difference(before, before.replace("line_5 = 5", "line_5 = 50"))
    assert shown(data["text/html"]).splitlines() == [
        "… ",
        "  line_3 = 3",
        "  line_4 = 4",
        "- line_5 = 5",
        "+ line_5 = 50",
        "  line_6 = 6",
        "  line_7 = 7",
        "… ",
    ]
    assert "-line_5 = 5\n+line_5 = 50" in data["text/plain"]


def test_code_is_text_and_no_mathematics() -> None:
    data, _ = difference("a = '<b>$x$</b>'", "a = '<img src=x onerror=alert(1)>$y$'")
    assert "<img" not in data["text/html"] and "<b>" not in data["text/html"]
    assert "mathjax_ignore" in data["text/html"] and data["text/html"].startswith("<pre")
    assert "<img src=x onerror=alert(1)>$y$" in shown(data["text/html"])
