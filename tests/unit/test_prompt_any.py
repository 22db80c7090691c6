"""Whatever stands in a prompt and in the namespace: what can be told from the pieces is what is sent, and nothing crashes."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from support.cases import cases

from claude_jupyter.content.prompt.interpolate import fill

FRAME = pd.DataFrame({"a": [1]})
SPACE: dict[str, Any] = {
    "name": "Ada",
    "x": 3.14159,
    "rows": [{"x": "{name}", "a b": 2}],
    "place": SimpleNamespace(city="Oslo", inner=SimpleNamespace(n=7)),
    "table": FRAME,
    "odd": "$ {{x}} ` \\frac",
}
MEANT = {
    "{name}": "Ada",
    "{x:.2f}": "3.14",
    "{x!r}": "3.14159",
    "{rows[0]['x']}": "{name}",
    '{rows[0]["a b"]}': "2",
    "{place.city}": "Oslo",
    "{place.inner.n}": "7",
    "{odd}": "$ {{x}} ` \\frac",
    "{{name}}": "{name}",
    "{table}": "table",
    "{nobody}": "{nobody}",
    "{place.nobody}": "{place.nobody}",
    "{rows[9]}": "{rows[9]}",
    '{"a": 1}': '{"a": 1}',
    "{len(name)}": "{len(name)}",
    "{}": "{}",
    "{ }": "{ }",
    "$x{name}$": "$x{name}$",
    "\\({name}\\)": "\\({name}\\)",
    "\\frac{x}{name}": "\\frac{x}{name}",
    "a_{x}": "a_{x}",
    "`code`": "`code`",
}
PROSE = st.text(alphabet="abc ,.é😀()=+\n", min_size=1, max_size=6).map(lambda text: f"{text} ")


@cases(400)
@given(st.lists(st.tuples(PROSE, st.sampled_from(sorted(MEANT))), max_size=12), PROSE)
def test_each_brace_becomes_what_it_means_and_the_rest_stays(pieces: list[tuple[str, str]], end: str) -> None:
    prompt = "".join(prose + typed for prose, typed in pieces)
    # A blank or a letter parts the pieces; indented four or fenced nothing is.
    prompt = re.sub(r"\n {4,}", "\n", "".join(f"{prose}{typed} " for prose, typed in pieces) + end)
    meant = re.sub(r"\n {4,}", "\n", "".join(f"{prose}{MEANT[typed]} " for prose, typed in pieces) + end)
    filled = fill(prompt, SPACE)
    assert filled.text == meant
    assert [source for source, _ in filled.attached] == (["table"] if "{table}" in prompt else [])


class Nasty:
    """Raises whatever it is told to, wherever it is touched."""

    def __init__(self, error: BaseException) -> None:
        self.__dict__["error"] = error

    def _raise(self, *_: Any, **__: Any) -> Any:
        raise self.__dict__["error"]

    __getattr__ = __getitem__ = __format__ = __str__ = __repr__ = __len__ = __iter__ = __bool__ = __eq__ = (
        __hash__
    ) = _raise  # type: ignore[assignment]


ERRORS = st.sampled_from(
    [ValueError("x"), KeyError("x"), RecursionError(), MemoryError(), SystemExit(3), AssertionError("\n"), StopIteration(), OSError(5, "x")]
)  # fmt: skip
VALUES = st.one_of(
    ERRORS.map(Nasty),
    st.text(max_size=10),
    st.integers(),
    st.floats(),
    st.binary(max_size=4),
    st.just(FRAME),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
)
HARD = st.text(alphabet="{}[]()'\"\\$`ab.x0:!=_^\n ~-#é\u2028\0", max_size=60)
EXPRESSIONS = st.builds(
    "{{{}{}{}{}}}".format,
    st.sampled_from(["a", "b", "a.b", "a[0]", "a['b']", "b[1:2]", "a[b]", "-a", "a+b", "a if b else a", "[a]", "a.b.c[0].d"]),
    st.sampled_from(["", "", "!r", "!s", "!a", "!z", "="]),
    st.sampled_from(["", "", ":", ":.2f", ":>10", ":{b}", ":%Y", ":99999999999", ":\n"]),
    st.sampled_from(["", " ", "\n"]),
)  # fmt: skip


@cases(400)
@given(st.lists(HARD | EXPRESSIONS, max_size=6).map("".join), VALUES, VALUES)
def test_no_prompt_and_no_value_makes_it_fail(prompt: str, a: Any, b: Any) -> None:
    filled = fill(prompt, {"a": a, "b": b}, seconds=0.5)
    assert isinstance(filled.text, str)
    if "{" not in prompt:
        assert filled.text == prompt
    for source, _ in filled.attached:
        assert source in filled.text


@cases(200)
@given(HARD, HARD)
def test_what_is_between_braces_that_mean_nothing_is_kept_to_the_byte(before: str, after: str) -> None:
    """Filled once and filled again with nothing at hand, only doubled braces can differ."""
    once = fill(before + "{nobody}" + after, {}).text
    assert "{nobody}" in once or "{{" in before + after or "nobody" in once
    assert re.sub(r"[{}]", "", once) == re.sub(r"[{}]", "", before + "{nobody}" + after)
