"""What a reader of a stored answer sees: text, mathematics and code as written; HTML, images and scripts as harmless text and links."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_jupyter.display.inert import apart, inert, inert_parts, literal

ORDINARY = [
    "# Result\n\nThe mean is **3.2** (n = 48,210), *not* ~~4~~; see `df.mean()` and \"quotes\".\n\n---\n",
    "a < b, 5 <6, x<-3, p<0.05 and <https://ok.example/a?b=1&c=2>, <me@ok.example>",
    "Use `List<T>`, `x<y>z` and `std::map<K, V>`, as in [the docs](https://ok.example/a).",
    "He said \"use `std::vector<int>`\" — see [docs](https://ok.example \"title\") or [ref][r].\n\n[r]: https://ok.example 'x'",
    "| a | b |\n|:--|--:|\n| `List<T>` | x<sub>2</sub> |\n| 1<br>2 | 10<sup>6</sup> |",
    "Press <kbd>Ctrl</kbd>+<kbd>C</kbd>.",
    "$a < b$ and $\\frac{1}{2}$, $$\n\\sum_{i=1}^n x_i\n$$\n\n\\begin{align}\na &= b\n\\end{align}\n\n\\(x\\) \\[y\\]",
    "It costs $5, or $10 for two; \\$3 with `$HOME`.",
    "Text[^1].\n\n[^1]: A footnote with https://ok.example and \"quotes\".",
    "- [ ] task\n- [x] done\n  - nested `a[i](x)`\n\n> quote\n> more\n\nterm\n: definition",
    "&copy; &amp; &lt;tag&gt; &#169; &nbsp;",
    "Call `f(x)`; d[k](x: int) and arr[0](a*b) are calls too. vec[1]: it.",
    "[a](docs/a.md) [b](#there) [c](/x?y#z) [d](mailto:a@ok.example) https://ok.example www.ok.example",
    "The file [data]:\n\nnext",
    "Long lines may be [wrapped in a\nlink](https://ok.example) here.",
    "In LaTeX write \\href{a}{b}.",
    "",
    "\n\n",
    "no newline",
    "été — “quotes” 中文 🎉\ttab",
]  # fmt: skip

LANGUAGES = {
    "python": 'x = {k: v for k, v in d.items() if a<b}\nprint(f"<b>{x}</b>")',
    "html": '<!DOCTYPE html>\n<script>alert("$x")</script>\n<!-- note -->',
    "jsx": "const A = () => <Foo bar={x} onClick={() => go()} />;",
    "rust": "fn f<T: Into<String>>(v: Vec<T>) -> [u8; 2] { vec![1, 2] }",
    "c++": "#include <vector>\nstd::vector<std::pair<int, int>> v;",
    "bash": "cat <<EOF > out\n$HOME `date`\nEOF\necho $((1<2))",
    "markdown": "![image](https://h.example/x.png)\n[a]: javascript:x\n# h",
    "latex": "\\begin{align}\n\\href{a}{b} $x$\n\\end{align}",
    "sql": "select * from t where a<b and c = '<x>';",
    "r": "x<-3; y <- lm(a ~ b)",
    "yaml": "a: <b>\nc: !tag",
    "mermaid": "flowchart TD\n  A[one<br/>two] -->|yes| B",
    "": "plain <text>",
    "{python} echo=true": "1",
    "diff": "-a<b>\n+a<c>",
}


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_byte_for_byte(text: str):
    assert inert(text) == text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("indent", ["", "  ", "   "])
def test_code_stays_byte_for_byte(language: str, indent: str):
    lead = {"": "Here:\n\n", "  ": "- item\n\n", "   ": "1. item\n"}[indent]
    body = "\n".join(indent + line for line in LANGUAGES[language].split("\n"))
    text = f"{lead}{indent}```{language}\n{body}\n{indent}```\n\nThat is all.\n"
    unsure = indent and any(sign in body for sign in ("$", "\\begin"))
    shown = inert(text)
    assert shown.replace("\u200b", "") == text if unsure else shown == text


def test_fences_within_fences_and_tildes_stay():
    text = "````md\n```html\n<b>\n```\n![x](https://h.example/y)\n````\n\n~~~html\n<i>\n~~~\n"
    assert inert(text) == text


def test_less_than_in_mathematics_gets_a_blank_and_no_entity():
    assert inert("$x<y$ and \\(a<b\\)") == "$x< y$ and \\(a< b\\)"


def test_html_shows_as_text():
    assert inert("a <img src=x onerror=alert(1)> b") == "a &lt;img src=x onerror=alert(1)> b"
    assert inert("<details>\nx</details>") == "&lt;details>\nx&lt;/details>"


def test_a_bare_tag_passes_but_not_where_it_could_begin_a_block_of_html():
    assert inert("one<br>two") == "one<br>two"
    assert inert("<sub>\n```html\n<img>\n```") == "&lt;sub>\n```html\n<img>\n```"
    assert inert("x<br onclick=f()>") == "x&lt;br onclick=f()>"


@pytest.mark.parametrize(
    ("image", "link"),
    [
        ("![alt](https://host.example/x.png)", "[alt (image: host.example)](https://host.example/x.png)"),
        ("![](https://host.example/x.png 't')", "[image: host.example](https://host.example/x.png 't')"),
        ("![a](//host.example/x.png)", "[a (image: host.example)](//host.example/x.png)"),
        ("![a](https://good.example@evil.example/x)", "[a (image: evil.example)](https://good.example@evil.example/x)"),
        ("![a](local.png)", "[a (image)](local.png)"),
        ("![a](data:image/png;base64,AAAA)", "(image left out: a)"),
        ("![a](attachment:x.png)", "(image left out: a)"),
        ("![a `b`](https://host.example/x)", "&#33;[(image: host.example) a `b`](https://host.example/x)"),
        (
            "[![a](https://host.example/x)](https://page.example)",
            "[a (image: host.example)](https://host.example/x) [→ page.example](https://page.example)",
        ),
        (
            "![a][l] ![l] ![l][] ![none]\n\n[l]: https://host.example/x.png",
            "[a (image: host.example)][l] [l (image: host.example)][l] [l (image: host.example)][l] &#33;[none]"
            "\n\n[l]: https://host.example/x.png",
        ),
    ],
)  # fmt: skip
def test_an_image_becomes_a_link_that_names_its_host(image: str, link: str):
    assert inert(image) == link


@pytest.mark.parametrize(
    "link",
    ["[a](javascript:f())", "[a](<javascript:f()>)", "[a](\u00a0javascript:f())", "[a](java&#115;cript:f())"],
)
def test_a_link_with_another_scheme_leads_nowhere(link: str):
    assert "(#" in inert(link) or "](<#" in inert(link) or "](&lt;" in inert(link)


@pytest.mark.parametrize("scheme", ["javascript", "JavaScript", "vbscript", "data"])
def test_a_destination_that_could_run_or_carry_something_is_left_out(scheme: str):
    assert (
        inert(f"[a]({scheme}:alert(1)) and\n\n[b]: {scheme}:alert(1) 't'")
        == "[a](#left-out) and\n\n[b]: #left-out 't'"
    )


def test_tex_that_loads_is_shown():
    assert inert("$\\style{background:url(x)}{y}$") == "$\\backslash style{background:url(x)}{y}$"
    assert inert("$\\classical + \\hrefs$") == "$\\classical + \\hrefs$"


def test_an_open_fence_is_closed_so_that_what_follows_is_not_code():
    assert inert("x\n\n```python\nprint(1)") == "x\n\n```python\nprint(1)\n```"
    assert inert("```") == "```\n```"


def test_mermaid_that_would_load_is_shown_and_not_drawn():
    drawn = '```mermaid\nflowchart TD\n  A@{ img: "https://host.example/x.png" }\n```'
    assert inert(drawn) == drawn.replace("mermaid", "text")


def test_what_one_part_leaves_open_does_not_reach_the_next():
    code = "```html\n<b>\n```"
    assert inert_parts(["text", code]) == ["text", code]
    assert inert_parts(["a $$", code])[1] == "```html\n<\u200bb>\n```"
    assert inert_parts(["```html\n<b>", code]) == ["```html\n<b>\n```", code]
    assert inert_parts(["![a][l]", "[l]: https://host.example/x"])[0] == "[a (image: host.example)][l]"


def test_literal_text_shows_as_it_is():
    assert (
        literal("Two  words:\nsales (10 of 48,210 rows), 95% – ok?")
        == "Two words: sales (10 of 48,210 rows), 95% – ok?"
    )
    assert literal("1. *a* <b>") == "1&#46; &#42;a&#42; &#60;b&#62;"
    assert literal("Cut at max_tokens, _here_, __init__") == (
        "Cut at max_tokens, &#95;here&#95;, &#95;&#95;init&#95;&#95;"
    )
    assert literal("https://x www.y") == "https&#58;//x www&#46;y"


def test_two_prices_of_literal_text_are_no_formula_between_them():
    assert apart(literal("spent $1")) == "spent &#36;1"
    assert apart(literal("$1 of $2")) == "<span>&#36;</span>1 of <span>&#36;</span>2"


@given(st.text(alphabet="<>![]()`~$\\\"'@:#&;|-*_ \t\nabiXmg=/1.", max_size=200))
def test_no_tag_outside_code_whatever_the_text(text: str):
    shown = inert(text)
    if "`" not in text and "~~~" not in text:
        rest = shown
        for tag in ("<br>", "<br/>", "<br />", "<sub>", "</sub>", "<sup>", "</sup>", "<kbd>", "</kbd>"):
            rest = rest.replace(tag, "")
        assert "<i" not in rest and "<!" not in rest and "</" not in rest


def steps(text: str) -> int:
    """How many calls and returns, of Python and of C functions, it takes: a measure that no busy machine changes."""
    count = 0

    def seen(_frame: object, _event: str, _arg: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        inert(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "unit",
    ["<a", "`<b>` ", "`a``b```", "![a](", "[", "[\n", "](", '[a]: /u "x\n', "$", "$$", "\\begin{a}", "```\n", "~~~~", "> <b> ",
     "```\n<b>\n```\n\n", "- a\n", '"$ ://', "&#", "\n\n", "[a\n]: b\n", ": ", "www.`<b>`", "   ```\n    x\n", "1. "],
)  # fmt: skip
def test_the_work_grows_in_step_with_the_text(unit: str):
    counts = [steps(unit * n) for n in (100, 200, 400)]
    assert all(more <= 2.2 * less + 200 for less, more in pairwise(counts))
