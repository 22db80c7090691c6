"""What a real kernel hands to the magic, character for character."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.kernel import Kernel, running_kernel

SETUP = """
from IPython.core.magic import register_line_cell_magic, no_var_expand
from claude_jupyter.magics.line import lines

heard = []

def claude(line, cell=None):
    "the help of claude"
    heard.append((line, cell))
    return len(heard)

register_line_cell_magic(no_var_expand(claude))
del claude
lines.install(get_ipython())
x, this, name = 5, 6, 7
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("notebook")
    with running_kernel(folder, {"CLAUDE_JUPYTER_DATA_DIR": str(folder / "data")}, SETUP) as kernel:
        yield kernel


def heard(shell: Kernel, cell: str) -> list[tuple[str, str | None]]:
    done = shell.run("heard.clear()")
    assert done.ok
    done = shell.run(cell)
    assert done.ok, done.error
    return shell.value("heard")


@pytest.mark.parametrize(
    "prompt",
    [
        "what is this?", "what is this??", "it's {x}, $x and !ls", 'say "hi" # no comment', "C:\\tmp\\", "?", "naïve 数据 🎉",
        "{name!r} {{name}} $name ${name}", "'''", "\\frac{x}{y}", "a  b   ",
    ],
)  # fmt: skip
def test_one_line_questions_arrive_byte_for_byte(shell, prompt):
    assert heard(shell, f"%claude {prompt}") == [(prompt, None)]
    assert heard(shell, f"y = 1\nif y:\n    z = %claude {prompt}") == [(prompt, None)]
    assert heard(shell, f"# note\n  %%claude {prompt}\nbody\n") == [(prompt, "body\n")]


def test_the_value_can_be_kept(shell):
    heard(shell, "kept = %claude why?")
    assert shell.value("kept") == 1


def test_in_a_loop_each_is_asked(shell):
    assert heard(shell, "for i in range(2):\n    %claude number {i}?\n") == [("number {i}?", None)] * 2


def test_a_body_arrives_byte_for_byte(shell):
    body = '\n  it\'s "x" {x} $x\n>>> y = 1\nIn [1]: z\n%claude why?\n%%time\n!ls \\\n数据?\n'
    assert heard(shell, "%%claude -n {x} $x\n" + body) == [("-n {x} $x", body)]


def test_a_cell_without_a_body_reaches_the_magic(shell):
    assert heard(shell, "%%claude -e") == [("-e", "\n")]


def test_inside_other_cell_magics(shell):
    assert heard(shell, "%%capture\n%claude why?") == [("why?", None)]
    assert heard(shell, "%%capture\n# c\n%%claude\nwhy?") == [("", "why?\n")]


def test_help_stays_ipythons(shell):
    assert heard(shell, "") == []
    for cell in ("%claude?", "%%claude?", "?%claude"):
        done = shell.run(cell)
        assert done.ok
        (page,) = done.reply["payload"]
        assert "the help of claude" in page["data"]["text/plain"]
    assert shell.value("heard") == []


def test_text_that_only_looks_like_a_magic_stays(shell):
    assert heard(shell, "text = '''\n%claude why?\n  x = %claude b\n'''") == []
    assert shell.value("text") == "\n%claude why?\n  x = %claude b\n"


def test_errors_are_told_on_the_line_they_stand_on(shell):
    done = shell.run("%claude a \\\n  b?\n1/0")
    assert "3 1/0" in done.error


def test_reloading_and_removing(shell):
    count = "len(get_ipython().input_transformer_manager.cleanup_transforms)"
    before = shell.value(count)
    assert shell.run("import importlib; importlib.reload(lines).install(get_ipython())").ok
    assert shell.value(count) == before
    assert heard(shell, "%claude why this?") == [("why this?", None)]
    assert shell.run("lines.uninstall(get_ipython())").ok
    assert shell.value(count) == before - 4
    assert shell.run("lines.install(get_ipython())").ok
