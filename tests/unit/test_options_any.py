"""Options written in any order and spelling mean what the same keywords of `claude.ask` mean, and no line crashes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.cases import cases

from claude_jupyter.errors import UsageError
from claude_jupyter.magics.line.parse import parse_cell, parse_line
from claude_jupyter.magics.line.words import words
from claude_jupyter.options import OPTIONS, Option, Options
from claude_jupyter.options.option_values import Kind

PLAIN = st.text(alphabet="abcXYZ019_./:é", min_size=1, max_size=8).filter(lambda text: text[0] not in "'\"")
QUOTABLE = st.text(alphabet="abc XYZ019_./:'=()[]{}é-,", min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    "flag": st.just(True),
    "count": st.integers(1, 99),
    "text": QUOTABLE,
    "name": st.sampled_from(["answer", "x1", "größe"]),
    "word": QUOTABLE,
    "model": st.sampled_from(["opus", "haiku", "claude-sonnet-5-5"]),
    "path": QUOTABLE,
    "rows": st.sampled_from(["none", "all", "5"]),
    "cell": st.sampled_from(["7", "7:2", "3f2a9c1e-5f0a:12"]),
    "mode": st.sampled_from([True, "auto"]),
    "integer": st.integers(1, 10**6),
    "number": st.floats(0, 1),
    "expression": st.sampled_from(["look", "list[str]", 'Literal["a", "b c"]', "kinds['a']", "m.Row"]),
    "json": st.dictionaries(
        st.sampled_from(["service_tier", "metadata", "top_k"]), st.integers() | st.text(alphabet="ab c", max_size=5), min_size=1, max_size=2
    ),
}  # fmt: skip
TAKEN = tuple(option for option in OPTIONS if option.name != "help")


@st.composite
def chosen(draw: st.DrawFn) -> list[tuple[Option, Any]]:
    options = draw(st.lists(st.sampled_from(TAKEN), max_size=6, unique_by=lambda option: option.name))
    names = {option.name for option in options}
    apart = {
        ("once", "new"),
        ("code", "background"),
        *(("do", name) for name in ("background", "once", "returns", "code")),
    }
    options = [o for o in options if not any(o.name == a and b in names for a, b in apart)]
    made: list[tuple[Option, Any]] = []
    for option in options:
        value = VALUES[option.kind] if option.kind != "choice" else st.sampled_from(option.choices)
        many = option.many and option.kind != "json"
        made.append((option, draw(st.lists(value, min_size=1, max_size=2) if many else value)))
    return made


def spelled(draw: st.DrawFn, option: Option, value: Any, *, attached: bool) -> list[str]:
    """The words of one option, in one of the ways that people write them."""
    long = draw(st.booleans()) or option.short is None
    flag = draw(st.sampled_from([option.flag, "--" + option.field])) if long else f"-{option.short}"
    if option.kind == "flag":
        return [flag]
    if option.kind == "mode":
        return [flag if value is True else f"{flag}{draw(st.sampled_from([' ', '=']))}auto"]
    if option.kind == "count":
        near = [f"{flag}={value}"] + ([f"{flag}{value}"] if not long else [])
        ways = [*near, *([] if attached else [f"{flag} {value}"]), *([flag] if value == 1 else [])]
        return [draw(st.sampled_from(ways))]
    pairs = [f"{key}={json.dumps(item)}" for key, item in value.items()] if option.kind == "json" else None
    texts = pairs or [quoted(draw, str(item)) for item in (value if isinstance(value, list) else [value])]
    joins = [" ", "="] if long or option.kind == "json" else [" ", "=", ""]
    return [f"{flag}{draw(st.sampled_from(joins))}{text}" for text in texts]


def quoted(draw: st.DrawFn, text: str) -> str:
    quotes = [q for q in "\"'" if q not in text]
    bare = not set(text) & set(" '\"()[]{}=,") and not text.startswith("-")
    if (
        (bare and draw(st.booleans()))
        or not quotes
        or text in ("list[str]", 'Literal["a", "b c"]', "kinds['a']")
    ):
        return text
    quote = draw(st.sampled_from(quotes))
    return f"{quote}{text}{quote}"


@cases(300)
@given(
    st.data(),
    st.lists(st.sampled_from(["df", 'df["a b"]', "ax.figure", "Out[5]", '"a plot.png"']), max_size=3),
    PLAIN,
)
def test_a_line_means_what_the_keywords_mean(data: st.DataObject, names: list[str], body: str) -> None:
    options = data.draw(chosen())
    draw: Any = data.draw
    pieces = [word for option, value in options for word in spelled(draw, option, value, attached=False)]
    line = (
        " ".join(data.draw(st.permutations(pieces)))
        if all(not o.many for o, _ in options)
        else " ".join(pieces)
    )
    try:
        meant = Options.of(**{option.field: value for option, value in options})
    except UsageError:
        return
    asked = parse_cell(" ".join(["", *names, line]), body)
    assert asked.options == meant
    assert [name.source for name in asked.names] == [
        n.strip('"') if n[0] == '"' else n for n in names
    ] or len(asked.names) == len(names)
    assert asked.prompt == body


PROMPTS = st.text(min_size=1, max_size=30).filter(
    lambda text: text[0] not in " \t\r\n-" and not text.endswith("\n") and text.strip()
)


@cases(200)
@given(st.data(), PROMPTS)
def test_on_one_line_the_rest_is_the_prompt_byte_for_byte(data: st.DataObject, prompt: str) -> None:
    options = data.draw(chosen())
    draw: Any = data.draw
    line = " ".join(w for option, value in options for w in spelled(draw, option, value, attached=True))
    try:
        meant = Options.of(**{option.field: value for option, value in options})
    except UsageError:
        return
    asked = parse_line(f"{line} -- {prompt}")
    assert (asked.options, asked.prompt) == (meant, prompt)


ODD = st.one_of(
    st.text(max_size=20),
    st.sampled_from([o.flag for o in OPTIONS] + [f"-{o.short}" for o in OPTIONS if o.short]),
    st.sampled_from(["--", "-", "=", "--param", "a=", "={", '"', "'", "[" * 20, "((", "\0", "\ud800", "-p0", "--rows=-1", "9" * 70,
                     "--param x=" + "[" * 300]),
)  # fmt: skip


@cases(300)
@given(st.lists(ODD, max_size=8), st.sampled_from([" ", "", "=", "\t", "\n"]), st.text(max_size=5))
def test_whatever_is_typed_is_understood_or_refused_in_one_line(
    pieces: list[str], joint: str, body: str
) -> None:
    line = joint.join(pieces)
    for parse in (lambda: parse_cell(line, body), lambda: parse_line(line)):
        try:
            parse()
        except UsageError as error:
            told = str(error)
            assert "\n" not in told and 0 < len(told) < 400


@cases(200)
@given(st.text(alphabet="ab \t\"'()[]{}=-\\é", max_size=60))
def test_words_are_the_line_without_its_blanks(line: str) -> None:
    found = list(words(line))
    left = line
    for word in found:
        at = left.find(word.text)
        assert at >= 0 and not left[:at].strip(), "something between two words was lost"
        left = left[at + len(word.text) :]
    assert not left.strip()
