"""One table: what `claude.ask(**options)` and the magics take, and what they say when it is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from claude_jupyter.errors import UsageError
from claude_jupyter.options import BY_FIELD, BY_LONG, OPTIONS, Options


def test_the_table_and_the_value_have_the_same_options():
    assert {field.name for field in dataclasses.fields(Options)} == set(BY_FIELD)


def test_every_option_of_the_contract_is_there():
    short = {option.name: option.short for option in OPTIONS}
    assert short == {
        "plots": "p", "last": "l", "cell": None, "error": "e", "file": "f", "rows": None, "model": "m", "returns": "r", "out": "o",
        "code": None, "effort": None, "thinking": None, "tool": "t", "web": None, "mcp": None, "look": None, "do": None,
        "chat": "c", "new": "n", "once": None,
        "system": "s", "background": None, "dry-run": None, "no-replay": None, "max-tokens": None, "stop": None,
        "temperature": None, "param": None, "help": None,
    }  # fmt: skip
    assert {o.name for o in OPTIONS if o.many} == {"file", "tool", "mcp", "stop", "param"}


def test_python_takes_scalars_or_lists_and_true_for_counts():
    def look(x: int) -> int:
        return x

    options = Options.of(
        plots=True, last=3, file="a.png", tool=look, stop=["END", "FIN"], rows=5, param={"top_k": 5}
    )
    assert (options.plots, options.last, options.file) == (1, 3, ("a.png",))
    assert (options.tool, options.stop, options.rows) == ((look,), ("END", "FIN"), "5")
    assert options.param == {"top_k": 5}
    assert Options.of(file=[Path("a"), "b*"]).file == (Path("a"), "b*")


def test_none_means_as_the_setting_says():
    assert Options.of(model=None, rows=None, tool=None) == Options()


def test_case_does_not_matter_for_words_with_fixed_values():
    assert Options.of(effort="High", rows="NONE").effort == "high"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"efort": "high"}, "did you mean effort"),
        ({"effort": "hi"}, "effort must be one of low, medium, high, xhigh, max, not 'hi'"),
        ({"thinking": True}, "thinking must be one of show, hide, off"),
        ({"rows": "some"}, "rows must be a number, none or all"),
        ({"rows": -1}, "rows must be a number"),
        ({"plots": -1}, "plots must be a whole number"),
        ({"plots": "0"}, "plots must be a whole number of at least 1"),
        ({"last": "x"}, "last must be a whole number"),
        ({"last": "9" * 5000}, "last must be a whole number"),
        ({"out": "a b"}, "out must be a variable's name"),
        ({"out": "class"}, "out must be a variable's name"),
        ({"web": "yes"}, "web must be True or False"),
        ({"max_tokens": 0}, "at least 1"),
        ({"max_tokens": True}, "at least 1"),
        ({"temperature": 2}, "0 to 1"),
        ({"temperature": float("nan")}, "0 to 1"),
        ({"model": "opus sonnet"}, "one model"),
        ({"file": 5}, "must be a path"),
        ({"file": b"x"}, "must be a path"),
        ({"stop": " "}, "must be text"),
        ({"once": True, "new": True}, "cannot be used together"),
        ({"param": [1]}, "takes a dict"),
        ({"param": {"model": "opus"}}, "--model"),
        ({"param": {"stream": False}}, "always stream"),
        ({"param": {"messages": []}}, "conversation provides"),
        ({"param": {"api_key": "x"}}, "does not accept"),
        ({"param": {"extra_headers": {"X-Api-Key": "x"}}}, "contains a key"),
        ({"param": {"extra_body": {"stream": False}}}, "not accepted"),
        ({"param": {"timeout": -1}}, "seconds above 0"),
        ({"param": {"betas": "x"}}, "list of strings"),
        ({"param": {"a b": 1}}, "parameter's name"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(options, says):
    with pytest.raises(UsageError) as caught:
        Options.of(**options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model", "system", "chat", "file", "returns", "stop"])
def test_a_key_is_never_taken_and_never_repeated(name):
    key = "sk-ant-api03-" + "Abc123" * 5
    with pytest.raises(UsageError, match="does not accept a key") as caught:
        Options.of(**{name: key})
    assert key not in str(caught.value)
    with pytest.raises(UsageError, match="does not accept a key"):
        Options.of(param={"metadata": {"user_id": key}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("top_k=5", {"top_k": 5}),
        ('service_tier="auto"', {"service_tier": "auto"}),
        ('metadata={"user_id": "a=b"}', {"metadata": {"user_id": "a=b"}}),
        ('metadata=\'{"user_id": "shell"}\'', {"metadata": {"user_id": "shell"}}),
        ("timeout=2.5", {"timeout": 2.5}),
    ],
)
def test_param_is_json(text, value):
    assert Options.of_words([(BY_LONG["param"], text)]).param == value


def test_several_params_come_together_and_the_last_of_one_key_counts():
    words = [(BY_LONG["param"], "a=1"), (BY_LONG["param"], "b=2"), (BY_LONG["param"], "a=3")]
    assert Options.of_words(words).param == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("top_k", "KEY=JSON"),
        ("=5", "KEY=JSON"),
        ("service_tier=auto", '--param service_tier="auto"'),
        ("a={", "takes JSON"),
        ("a=NaN", "takes JSON"),
        ("a=" + "[" * 100_000, "takes JSON"),
        ("", "KEY=JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_an_example(text, says):
    with pytest.raises(UsageError) as caught:
        Options.of_words([(BY_LONG["param"], text)])
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300
