"""From a magic's line to a question as a value, as users type it."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from claude_jupyter.client.tool_definitions import call, definition
from claude_jupyter.errors import UsageError
from claude_jupyter.magics.line.parse import (
    Name,
    parse_cell,
    parse_line,
    resolve,
    type_of,
    value_of,
    with_objects,
)
from claude_jupyter.magics.line.words import words
from claude_jupyter.options import Options


@pytest.mark.parametrize(
    "line",
    [
        'x["a b"]', "Out[5]", "d['k']", 'results["q3"]', r"C:\tmp\a.png", "it's", 'metadata={"a": "b c"}',
        '"my plot.png"', "'it's here'", '--system="be brief"', '-s"be brief"', "df[df['a b'] > 3]", 'x["]"]',
        r'x["a\"] b"]', "--param={'a': [1, 2]}",
    ],
)  # fmt: skip
def test_a_word_stays_whole_and_as_typed(line):
    assert [word.text for word in words(f"  {line}   z")] == [line, "z"]


@pytest.mark.parametrize("line", ["x[1 y", '"open y', "'tis y", "f(] y", "( y", '{"a y'])
def test_what_never_closes_is_plain_text(line):
    assert [word.text for word in words(line)] == line.split()


@given(st.text(alphabet="ab \t\"'()[]{}\\=-", max_size=40))
def test_words_lose_no_character(line):
    got = list(words(line))
    assert "".join("".join(word.text.split()) for word in got) == "".join(line.split())
    assert all(line[: word.end].endswith(word.text) for word in got)


def test_a_cell_with_options_and_names():
    asked = parse_cell('-m opus sales fig ax.figure df["a b"] Out[5] "plot.png" -p 2 --code', "\nWhy?\n\n")
    assert asked.options == Options(model="opus", plots=2, code=True)
    assert asked.names == (
        Name("sales"), Name("fig"), Name("ax.figure"), Name('df["a b"]'), Name("Out[5]"), Name('"plot.png"', "plot.png"),
    )  # fmt: skip
    assert asked.prompt == "Why?"


def test_the_prompt_of_a_cell_is_its_body():
    body = "   indented {x} $y\n\n  `%claude?` \\\nend  \n"
    assert parse_cell("", body).prompt == body.removesuffix("\n")


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("-mopus", {"model": "opus"}),
        ("-m opus", {"model": "opus"}),
        ("-m=opus", {"model": "opus"}),
        ("--model=opus", {"model": "opus"}),
        ("--model opus", {"model": "opus"}),
        ('--model "opus"', {"model": "opus"}),
        ("-ne", {"new": True, "error": True}),
        ("-nmopus", {"new": True, "model": "opus"}),
        ("-p", {"plots": 1}),
        ("-p 3", {"plots": 3}),
        ("-p3", {"plots": 3}),
        ("-p3l2e", {"plots": 3, "last": 2, "error": True}),
        ("-pl 4", {"plots": 1, "last": 4}),
        ("--plots=3", {"plots": 3}),
        ("-l -p", {"plots": 1, "last": 1}),
        ("-l all", {"last": "all"}),
        ("-l all -p", {"plots": 1, "last": "all"}),
        ("--last=all", {"last": "all"}),
        ("-l=all", {"last": "all"}),
        ("-lall", {"last": "all"}),
        ("-pl all", {"plots": 1, "last": "all"}),
        ("-m opus -m haiku", {"model": "haiku"}),
        ("-f a.png -f b*.csv", {"file": ("a.png", "b*.csv")}),
        ('-f "my file.csv"', {"file": ("my file.csv",)}),
        (r"-f C:\tmp\a.png", {"file": (r"C:\tmp\a.png",)}),
        ("-s 'it's brief'", {"system": "it's brief"}),
        ('--system="be brief" --once', {"system": "be brief", "once": True}),
        ("-r list[str]", {"returns": "list[str]"}),
        ('-r Literal["a", "b c"]', {"returns": 'Literal["a", "b c"]'}),
        ("-t look -t find", {"tool": ("look", "find")}),
        ("--dry-run --no-replay --max-tokens 50", {"dry_run": True, "no_replay": True, "max_tokens": 50}),
        ("--dry_run", {"dry_run": True}),
        ("--stop END --stop ###", {"stop": ("END", "###")}),
        ('--param metadata={"user_id": "a b"}', {"param": {"metadata": {"user_id": "a b"}}}),
        ('--param service_tier="auto"', {"param": {"service_tier": "auto"}}),
        ("--rows none --temperature 0.5", {"rows": "none", "temperature": 0.5}),
    ],
)
def test_options_as_users_write_them(line, options):
    asked = parse_cell(line, "why")
    assert (asked.options, asked.names) == (Options(**options), ())


def test_a_number_belongs_to_a_count_only_if_it_is_whole():
    assert parse_cell("-p df", "why").names == (Name("df"),)
    assert parse_cell("--last df", "why").options.last == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "why?", "what's this?", "it's {x} and $y and # not a comment", 'say "hi"', "3 plots?", "a  b   c ",
        "C:\\tmp\\", "{'a': 1}", "naïve café 数据 🎉?", "- a dash", "-1 is negative?", "--", "%timeit x", "!ls", "?",
        "a;b", "x = 3", "\\frac{x}{y}", "tab\there", "trailing  ",
    ],
)  # fmt: skip
def test_one_line_prompts_are_kept_byte_for_byte(prompt):
    for before in ("-- ", "-n -m opus -- ", "-s 'be brief'   -- "):
        assert parse_line(before + prompt).prompt == prompt
    if prompt != "--":
        assert parse_line(prompt).prompt == prompt
        assert parse_line("-n  --model=opus  " + prompt) == parse_line(f"--new -mopus -- {prompt}")


def test_on_one_line_a_count_has_its_number_attached():
    assert parse_line("-p 3 plots?").prompt == "3 plots?"
    asked = parse_line("-l3 --plots=2 3 plots?")
    assert (asked.options.last, asked.options.plots, asked.prompt) == (3, 2, "3 plots?")


@given(st.text(min_size=1).filter(lambda t: t.strip() and not t.endswith("\n") and t[0] not in " \t\r\n"))
@example("-n")
def test_whatever_stands_behind_two_dashes_is_the_prompt(prompt):
    assert parse_line("-- " + prompt).prompt == prompt


@pytest.mark.parametrize("line", ["--help", "-m opus --help", "df --help -p", "--help --temperature 9"])
def test_help_wins_over_everything(line):
    assert parse_cell(line, "").help
    assert parse_line(line.removeprefix("df ")).help


@pytest.mark.parametrize(
    ("line", "body", "says"),
    [
        ("", "", "the cell is empty"),
        ("", None, "the cell is empty"),
        ("-e", " \n\t\n", "the cell is empty"),
        ("what is this?", "", "%claude: what is this?"),
        ("--efort high", "x", "did you mean --effort?"),
        ("--mod opus", "x", "did you mean --model?"),
        ("--zzz", "x", "--help"),
        ("-h", "x", "--help"),
        ("-w", "x", "--web"),
        ("-model opus", "x", "did you mean --model?"),
        ("-q", "x", "no option -q"),
        ("-m", "x", "-m needs a value: -m M"),
        ("-m -n", "x", "-m needs a value before -n"),
        ("--model=", "x", "--model needs a value"),
        ("--web=yes", "x", "--web does not take a value"),
        ("--effort hi", "x", "did you mean high?"),
        ("--last=x", "x", "whole number"),
        ("-p2x", "x", "no option -x"),
        ("df.head()", "x", "is a call"),
        ("df, fig", "x", "not commas"),
        ("df,fig", "x", "not commas"),
        ("plot.png", "x", "in quotes"),
        (r"C:\tmp\a.png", "x", "in quotes"),
        ("https://host/a.png", "x", "in quotes"),
        ("5", "x", "constant"),
        ("-5", "x", "constant"),
        ("what is this", "x", "below the first line"),
        ("class", "x", "below the first line"),
        ("lambda:0", "x", "below"),
        ("x[1", "x", "below"),
        ('""', "x", "does not name a file"),
        ("x:=5", "x", "below"),
        ('f"{x}"', "x", "below"),
        ("a" * 200_000, "x", "too long"),
        ("sk-ant-api03-abcdefghijklm", "x", "does not accept a key"),
        ("--model sk-ant-api03-abcdefghijklm", "x", "does not accept a key"),
        ("--sk-ant-api03-abcdefghijklm", "x", "does not accept a key"),
        ("-sk-ant-api03-abcdefghijklm", "x", "does not accept a key"),
        ('--param api_key="sk-ant-api03-abcdefghijklm"', "x", "does not accept a key"),
    ],
)
def test_bad_lines_get_one_clear_line(line, body, says):
    with pytest.raises(UsageError) as caught:
        asked = parse_cell(line, body)
        resolve(asked.names, {"did": 1})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "abcdefghijklm" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("line", ["", "   ", "-e", "-m opus -- ", "--"])
def test_a_line_without_a_question_gives_an_example(line):
    with pytest.raises(UsageError, match="%claude what is"):
        parse_line(line)


def test_names_become_values():
    space = {"df": {"a b": [1, 2, 3]}, "i": 1, "ax": SimpleNamespace(figure="drawn")}
    asked = parse_cell('df["a b"][i] df["a b"][-1] df["a b"][1:] ax.figure df["a b"][0]+5 "a.png"', "why")
    assert [value for _, value in resolve(asked.names, space)] == [2, 3, [2, 3], "drawn", 6, "a.png"]
    assert asked.names[-1].literal == "a.png"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("slaes", "did you mean sales?"),
        ("nothing_like_it", "run the cell"),
        ("plot.png", 'in quotes: "plot.png"'),
        ("sales.hed", "no hed; did you mean head?"),
        ('table["a c"]', "there is no 'a c'; did you mean 'a b'?"),
        ("table[99]", "table[99]: there is no 99"),
        ("rows[9]", "list index out of range"),
        ("rows['x']", "TypeError"),
        ("broken.value", "ValueError: no value today"),
        ("print", "there is no print here"),
    ],
)
def test_a_name_that_does_not_resolve_is_told_in_one_line(source, says):
    class Broken:
        @property
        def value(self):
            raise ValueError("no value\ntoday")

    space = {
        "sales": SimpleNamespace(head=1),
        "table": {"a b": 1},
        "rows": [1],
        "broken": Broken(),
        "_slaes": 0,
    }
    with pytest.raises(UsageError) as caught:
        value_of(source, space)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="ab \"'()[]{}\\=-,.:5#\n", max_size=40), st.text(max_size=5))
def test_no_line_crashes(line, body):
    for parse in (lambda: parse_cell(line, body), lambda: parse_line(line)):
        try:
            parse()
        except UsageError as error:
            assert "\n" not in str(error)


def test_types_for_returns_need_no_imports():
    class Row:
        pass

    space = {"Row": Row, "kinds": {"a": int}}
    assert type_of("list[str]", space) == list[str]
    assert type_of('Literal["a", "b c"]', space) == Literal["a", "b c"]
    assert type_of("dict[str, list[Row]]", space) == dict[str, list[Row]]
    assert type_of("int | None", space) == int | None
    assert type_of("kinds['a']", space) is int
    assert type_of("dataframe", space) == "dataframe"
    with pytest.raises(UsageError, match="did you mean Row"):
        type_of("list[Rov]", space)


def test_a_tool_without_a_name_of_its_own_goes_by_the_one_on_the_line():
    class Doubler:
        def __call__(self, x: int) -> int:
            """Double it."""
            return x * 2

    def power(x: int, by: int) -> int:
        """Raise it."""
        return x**by

    space = {
        "double": Doubler(),
        "square": partial(power, by=2),
        "cube": partial(power, by=3),
        "plain": power,
    }
    options = with_objects(Options(tool=tuple(space)), space)
    tools = [definition(tool) for tool in options.tool]
    assert [t["name"] for t in tools] == ["double", "square", "cube", "power"]
    assert [t["description"] for t in tools] == ["Double it.", *["Raise it."] * 3]
    assert [call(tool, {"x": 3}) for tool in options.tool[:3]] == [6, 9, 27]
