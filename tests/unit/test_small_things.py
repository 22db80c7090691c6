"""What people do with our objects besides asking: sets, copies, print, save under any name."""

from __future__ import annotations

import ast
import copy

import pytest
from support.world import stage

from claude_jupyter.content.guard import all_reasons
from claude_jupyter.errors import AttachmentError, ReplayError, UsageError
from claude_jupyter.magics.line import lines

NBSP = "\u00a0"


def test_an_answer_is_a_member_of_sets_and_a_key():
    with stage("Yes.") as s:
        one, two = s.claude.ask("a"), s.claude.ask("b")
        assert {one, two, one} == {one, two} and {one: 1}[one] == 1
        assert hash(copy.copy(one)) == hash(one) and copy.copy(one) == one and one != two


def test_a_copy_of_the_conversation_is_the_conversation():
    with stage("Yes.") as s:
        s.claude.ask("a")
        space = copy.deepcopy({"claude": s.claude, "again": [s.claude], "x": [1]})
        assert space["claude"] is s.claude is space["again"][0] is copy.copy(s.claude)
        assert copy.deepcopy(s.claude.last).text == "Yes."
        assert s.claude.fork("other") is not s.claude


def test_printed_models_are_a_table():
    with stage() as s:
        s.env.service.client = None
        s.settings.provider = "demo"
        text = str(s.claude.models)
        head, *rows, source = text.splitlines()
        assert head.startswith("model ") and "retires" in head and "built-in table" in source
        (sonnet,) = [r for r in rows if r.startswith("claude-sonnet-5-5 ")]
        assert "2/10" in sonnet and "1,000,000" in sonnet and "Decimal" not in text
        (old,) = [r for r in rows if r.startswith("claude-sonnet-4-5 ")]
        assert "2026-11-30" in old


@pytest.mark.parametrize(
    "name", ["x.md", "x.MD", "notes.markdown", "x.txt", "x.html", "x.pdf", "x.ipynb", "a.b.md"]
)
def test_json_is_not_written_under_the_name_of_another_format(name, tmp_path):
    with stage("Yes.") as s:
        s.claude.ask("a")
        with pytest.raises(UsageError, match=r"save writes JSON.*name it \S+\.json.*export\("):
            s.claude.save(tmp_path / name)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.json", "x", "x.claude", "x.md.json"])
def test_other_names_are_kept_as_given(name, tmp_path):
    with stage("Yes.") as s:
        s.claude.ask("a")
        s.claude.save(tmp_path / name)
        assert (tmp_path / name).read_text().startswith("{")


@pytest.mark.parametrize("batch", [False, True])
def test_only_recordings_means_only_recordings(batch, tmp_path):
    with stage("Yes.") as s:
        s.settings.replay, s.settings.replay_dir = "only", str(tmp_path)
        with pytest.raises(ReplayError, match="never uses the network"):
            s.claude.map(["a"], "{value}", batch=True, no_replay=True) if batch else s.claude.ask(
                "a", no_replay=True
            )
        with pytest.raises(ReplayError):
            s.claude.map(["a"], "{value}", no_replay=True)
        assert not s.server.requests


@pytest.mark.parametrize("blank", [" ", "\t", NBSP, "\u202f", "\u2007", "\u3000", f" {NBSP} "])
def test_a_no_break_space_after_the_magic_is_a_space(blank):
    (call,) = lines.taken_cell([f"%%claude{blank}--once{blank}-m{blank}opus\n", f"Why{NBSP}so?\n"])
    assert call.startswith("get_ipython().run_cell_magic('claude', '--once")
    options, body = (a.value for a in ast.parse(call).body[0].value.args[1:])
    assert options.split() == ["--once", "-m", "opus"] and body == f"Why{NBSP}so?\n"
    (call,) = lines.taken_lines([f"%claude{blank}Why{NBSP}so?\n"])
    assert f"Why{NBSP}so?" in call or "Why\\xa0so?" in call


def test_a_no_break_space_in_a_quoted_name_stays():
    (call,) = lines.taken_cell([f'%%claude{NBSP}-f "Screen{NBSP}1.png"\n', "q\n"])
    assert "Screen\\xa01.png" in call


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo\nthree"), "one; two; three"),
        (ValueError("Not as told.\n\n  'x' is missing.\n  'y' too."), "Not as told; 'x' is missing; 'y' too"),
        (ValueError("same\nsame\n----\nother"), "same; other"),
        (ValueError(""), "ValueError"),
        (KeyError("x"), "'x'"),
    ],
)
def test_every_reason_is_said_on_one_line(error, line):
    assert all_reasons(error) == line


def test_reasons_without_end_are_cut():
    assert len(all_reasons(ValueError("\n".join(map(str, range(9999)))))) == 600


def test_a_chart_that_is_wrong_in_two_ways_says_both():
    import matplotlib.figure
    from matplotlib.artist import Artist

    from claude_jupyter.content.figures import mpl
    from claude_jupyter.content.rules import Rules

    class Odd(Artist):
        def draw(self, renderer):
            raise ValueError("No font.\nNo paper either.")

    figure = matplotlib.figure.Figure()
    figure.add_artist(Odd())
    with pytest.raises(AttachmentError, match=r"could not be drawn: No font; No paper either"):
        mpl.pixels(figure, "figure", Rules())
