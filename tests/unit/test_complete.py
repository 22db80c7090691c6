"""What Tab offers on the magic's line and in the question; `|` is the cursor."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from claude_jupyter.magics.completion.complete import Offer, Scope, offer
from claude_jupyter.options import OPTIONS


class Slow:
    def __init__(self):
        self.stored = SimpleNamespace(inner=1)

    @property
    def figure(self):
        raise AssertionError("a property was read")

    def method(self):
        raise AssertionError("a method was called")


SPACE = {
    "sales": pd.DataFrame({"a b": [1], "price": [2], "{odd}": [3]}),
    "salary": 5,
    "sal": len,
    "slow": Slow(),
    "table": {"first": {"x y": 1}, "second": 2, 3: 4},
    "_private": 1,
    "exit": 0,
}


def at(marked: str, **space: object) -> Offer | None:
    known = Scope({**SPACE, **space}, {"exit": 0}, lambda: ["main", "ideas"])
    return offer(marked.replace("|", "", 1), marked.index("|"), known)


def texts(marked: str) -> list[str]:
    found = at(marked)
    assert found is not None
    assert marked[: marked.index("|")].endswith(found.fragment)
    return [candidate.text for candidate in found.candidates]


@pytest.mark.parametrize(
    "start",
    ["%%claude ", "  %%claude ", "# note\n\n%%claude ", "%claude ", "x = %claude ", "\ty=%claude -n "],
)
def test_options(start):
    assert texts(start + "--mo|") == ["--model"]
    assert texts(start + "--max|") == ["--max-tokens"]
    assert set(texts(start + "-|")) == {o.flag for o in OPTIONS} | {f"-{o.short}" for o in OPTIONS if o.short}
    assert texts(start + "--effort h|") == ["high"]
    assert texts(start + "--effort=x|") == ["xhigh"]
    assert texts(start + "--thinking |") == ["show", "hide", "off"]
    assert texts(start + "-c |") == ["ideas", "main"]
    assert texts(start + "--last=|") == texts(start + "-la|") == ["all"]
    assert texts(start + "--do a|")[0] == "auto"

    assert texts(start + "-m op|")[0] == "opus"
    assert "claude-opus-5-5" in texts(start + "--model claude-o|")
    assert texts(start + "-mop|")[0] == "opus"
    assert texts(start + "-nem son|") == ["sonnet"]
    assert texts(start + "--rows |")[0] == "none"
    assert "timeout=" in texts(start + "--param |")
    assert texts(start + "-r data|") == ["dataframe"]
    assert texts(start + "-t sal|") == ["sales", "salary", "sal"]


def test_a_value_that_may_be_left_out_is_offered_before_the_names():
    for given in ("-l ", "-l a", "--last ", "-nl ", "sales -l "):
        assert texts(f"%%claude {given}|")[0] == "all"
    assert {"all", "sales"} <= set(texts("%%claude -l |"))
    assert {"auto", "sales"} <= set(texts("%%claude --do |"))
    assert (
        texts("%%claude -l s|")
        == texts("%%claude -l all s|")
        == texts("%%claude --do s|")
        == texts("%%claude s|")
    )
    assert "all" not in texts("%%claude -l all |") and "all" not in texts("%%claude -p |")
    assert at("%claude -l |") is None or "all" not in texts("%claude -l |")


def test_names_frames_first_functions_last_and_none_of_the_shells_own():
    assert texts("%%claude sal|") == ["sales", "salary", "sal"]
    assert texts("%%claude -p 2 sales sa|") == ["sales", "salary", "sal"]
    assert texts("%%claude -p |")[0] == "sales"
    assert "exit" not in texts("%%claude |")
    assert "_private" not in texts("%%claude |")
    assert texts("%%claude _p|") == ["_private"]


@pytest.mark.parametrize(
    "start", ["%%claude ", "%%claude\nabout {", "%claude about {", "%%claude\n\n- and {sales}, then {"]
)
def test_attributes_and_items_without_reading_a_property(start):
    assert texts(start + 'sales["|') == ['"a b"]', '"price"]']
    assert texts(start + "sales['a |") == ["'a b']"]
    assert texts(start + 'sales["pr|"]') == ['"price']
    assert texts(start + 'sales["pr|]') == ['"price"']
    assert texts(start + "sales[|") == ['"a b"]', '"price"]']
    assert texts(start + 'table["first"]["|') == ['"x y"]']
    assert texts(start + "slow.st|") == ["stored"]
    assert texts(start + "slow.stored.|") == ["inner"]
    assert "figure" in texts(start + "slow.|")
    assert "method" not in texts(start + "slow.|")
    assert texts(start + "slow.figure.|") == []
    assert texts(start + "sales.pri|") == ["price"]


def test_inside_braces_of_the_question():
    assert texts("%%claude\nWhat of {sal|") == ["sales", "salary", "sal"]
    assert texts("%%claude\nWhat of {sal|}?") == ["sales", "salary", "sal"]
    assert texts("%claude what of {sala|} here") == ["salary"]
    assert texts("x = %claude -n -- {sala|") == ["salary"]


@pytest.mark.parametrize(
    "marked",
    [
        "%%claude\nprose sal|", "%%claude\nfrom /|", "%%claude\nx.|", "%%claude\n|", "%%claude\nimport |", "%%claude\n{sales} sal|",
        "%%claude\n$\\frac{sal|}$", "%%claude\n```\n{sal|\n```", "%%claude\nx^{sal|", "%%claude\n{sales:|", "%%claude\n{sales!|",
        '%%claude\n{"sal|', "%%claude\n{{sal|", "%%claude\n%ti|", "%claude what sal|", "%claude -- sal|", "%claude what --mo|",
        "%claude what is this |", "%%claude --zzz|", "%%claude -s |", "%%claude -s 'be sal|", "%%claude nothing_like|",
    ],
)  # fmt: skip
def test_in_prose_nothing_at_all_is_offered(marked):
    assert texts(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "sal|", "x = sal|", "%clau|", "%%clau|", "%%claude|", "%claude|", "%%bash\n%claude --|", "%time -|",
        "x = 1\nprint(sal|)\n%claude why", "|", "%claude a\nsal|", "x == %claude --|", "# %claude --|",
    ],
)  # fmt: skip
def test_what_is_not_ours_is_left_to_ipython(marked):
    assert at(marked) is None


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("plot.png", "my plot.png", "plain[1].csv"):
        (tmp_path / name).touch()
    (tmp_path / "places").mkdir()
    assert texts("%%claude -f pl|") == ["places/", "plain[1].csv", "plot.png"]
    assert texts("%%claude --file=pl|") == ["places/", "plain[1].csv", "plot.png"]
    assert texts("%%claude -f my|") == ['"my plot.png"']
    assert texts('%%claude -f "my p|') == ['"my plot.png"']
    assert texts('%%claude "my p|"') == ['"my plot.png']
    assert texts("%claude -f plain[|") == ["plain[1].csv"]
    assert texts("%%claude 'plo|") == ["'plot.png'"]


def test_a_very_long_question_costs_little():
    assert at("%claude " + "word { " * 200_000 + "{sal|").candidates
    assert texts("%%claude\n" + "word ({ $x " * 100_000 + "\n{sala|") == ["salary"]


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "lazy"])
def test_columns_of_other_libraries(kind):
    import polars as pl
    import pyarrow as pa

    frame = {
        "polars": pl.DataFrame({"c d": [1]}),
        "pyarrow": pa.table({"c d": [1]}),
        "lazy": pl.LazyFrame({"c d": [1]}),
    }[kind]
    found = at('%%claude other["|', other=frame)
    assert [c.text for c in found.candidates] == ([] if kind == "lazy" else ['"c d"]'])


def test_the_companions_are_completed_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.json").touch()
    assert texts("%claude_fix -m o|") == ["opus"]
    assert texts("%claude_fix keep the |") == []
    assert texts("%claude_chat sh|") == ["show"]
    assert texts("%claude_chat |")[:3] == ["list", "show", "new"]
    assert texts("%claude_chat show |") == ["ideas", "main"]
    assert texts("%claude_chat -c id|") == ["ideas"]
    assert texts("%claude_chat -c ideas un|") == ["undo"]
    assert texts("%claude_chat load t|") == ["talk.json"]
    assert texts("%claude_cost --b|") == ["--by"]
    assert texts("%claude_cost --all --by m|") == ["model"]
    assert "--all" not in texts("%claude_cost --all |") and "--plot" in texts("%claude_cost --all |")
    assert texts("%claude_cost --csv |") == ["talk.json"]
    assert texts("x = 1\n  %claude_key --s|") == ["--save"]
    assert at("%claude_keys --s|") is None and at("%%claude_chat sh|") is None
