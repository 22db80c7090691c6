"""Lines and cells of ours as IPython's own transformer manager hands them on, and everybody else's as before."""

from __future__ import annotations

import ast
import warnings
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from claude_jupyter.magics.line import lines


def manager(installed: bool = True) -> TransformerManager:
    made = TransformerManager()
    if installed:
        lines.install(SimpleNamespace(input_transformer_manager=made))
    return made


def calls(cell: str) -> list[list[str]]:
    """The arguments of every magic call in the transformed cell, in order."""
    tree = ast.parse(manager().transform_cell(cell))
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    magics = [n for n in found if n.func.attr in ("run_line_magic", "run_cell_magic")]
    return [[ast.literal_eval(a) for a in n.args] for n in sorted(magics, key=lambda n: n.lineno)]


PROMPTS = [
    "why?", "what is this??", "it's {x} and $y", 'say "hi" # no comment', "!ls", "%time", "a\\", "C:\\tmp\\", "?", "naïve 数据 🎉",
    "x = 3;", "f'{x}'", "(open [brackets", "'''", '"""', "\\frac{x}{y}\\", "tab\tin", "get_ipython()?", "a  b  ", "\u2028 sep",
]  # fmt: skip


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize(
    "cell",
    [
        "{}",
        "x = 1\n{}",
        "{}\nx = 1\n",
        "# note\n{}\n\n",
        "if 1:\n    {}\n",
        "for q in 'ab':\n\tif q:\n\t\t{}",
    ],
)
def test_a_line_arrives_byte_for_byte_wherever_it_stands(prompt, cell):
    if prompt.endswith("\\") and cell == "{}\nx = 1\n":
        return  # a backslash before another line goes on there: see below
    assert calls(cell.format(f"%claude {prompt}")) == [["claude", prompt]]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("target", ["x", "x, y", "a.b", 'd["k"]', 'd["="]', "x: str", "if 1: x", "a = b"])
def test_a_line_may_be_assigned(prompt, target):
    assert calls(f"{target} = %claude {prompt}") == [["claude", prompt]]
    assert calls(f"{target}=%claude {prompt}") == [["claude", prompt]]


@given(
    st.text(min_size=1).filter(
        lambda t: not set(t) & set("\n\r") and t.strip() and "\xa0" not in t and t[0] not in " \t"
    )
)
def test_any_text_at_all_arrives(prompt):
    assert calls(f"%claude {prompt}") == [["claude", prompt]]
    assert calls(f"%%claude {prompt}\nbody") == [["claude", prompt, "body\n"]]


def test_a_line_goes_on_behind_a_backslash():
    assert calls("%claude what is \\\n   the mean?\ny = %claude b") == [
        ["claude", "what is the mean?"],
        ["claude", "b"],
    ]
    assert calls("%claude two \\\\\nx = 1") == [["claude", "two \\\\"]]
    assert calls("%claude C:\\tmp\\\n\nx = 1") == [["claude", "C:\\tmp\\"]]


def test_line_numbers_of_what_follows_stay():
    cell = "%claude a \\\n b \\\n c\nraise_here"
    assert manager().transform_cell(cell).split("\n").index("raise_here") == 3


def test_several_in_one_cell():
    cell = "%claude it's one?\nx = 'a' # it's\nif x:\n    %claude two '''\n    y = %claude three\n"
    assert [c[1] for c in calls(cell)] == ["it's one?", "two '''", "three"]


def test_bare_magics_reach_us_too():
    assert calls("%claude") == [["claude", ""]]
    assert calls("x = %claude") == [["claude", ""]]
    assert calls("%%claude") == [["claude", "", "\n"]]
    assert calls("%%claude -e df") == [["claude", "-e df", "\n"]]
    assert calls("  %%claude  \n\n") == [["claude", "", "\n"]]


BODY = '\n  indented\n>>> x = 1\n... y\nIn [1]: z\n%claude why?\n%%time\n\ttab "quoted" \\\n{x} $y 数据?\n\n'


@pytest.mark.parametrize("above", ["", "\n", "# a note\n\n  # it's another\n", "   ", "#!x\n\t", "#\n"])
def test_a_cell_arrives_byte_for_byte(above):
    assert calls(f"{above}%%claude -m opus {{x}} $y 'a b' # c?\n{BODY}") == [
        ["claude", "-m opus {x} $y 'a b' # c?", BODY]
    ]


def test_windows_line_ends():
    assert calls("%%claude -n\r\na\r\nb\r\n") == [["claude", "-n", "a\r\nb\r\n"]]
    assert calls("%claude why?\r\nx = 1\r\n") == [["claude", "why?"]]


OTHERS = [
    "x = 1\n", "%%bash\n%claude why?\n", "# c\n%%bash\necho\n", "%claude_cost?\n", "%claude_fix it's why\n", "%claude?\n",
    "%claude??\n", "?%claude\n", "%%claude?\n", "%%claudette\nx\n", "s = '''\n%claude why?\n'''\n", 's = """a\n  %claude b\n"""\n',
    "x = (a\n  %claude + 1)\n", "x = a \\\n  %claude\n", "x %claude\n", "print(x %claude)\n", "f(x=%claude)\n", "x == %claude\n",
    "x += %claude\n", "s = 'a \\\n%claude b'\n", "# %claude why\n", "s = 'x = %claude y'\n", "%timeit x\nlen?\n", "x = !ls (\n",
    "%time %claude why\n", "def f():\n    '''doc\n    %claude why?\n    '''\n", "", "\n\n", "   \n", "x = [\n%claude\n]\n",
    "# only a comment\n", "# c\nx = 1\n%%claude\n",
]  # fmt: skip


@pytest.mark.parametrize("cell", OTHERS)
def test_every_other_cell_passes_as_before(cell):
    assert manager().transform_cell(cell) == manager(installed=False).transform_cell(cell)


@given(
    st.lists(
        st.sampled_from(["x", "'", '"""', "(", ")", "\\", "\n", "%time ", "#", " = ", "?", "!", "claude"])
    ).map("".join)
)
def test_cells_without_our_magics_are_never_changed(cell):
    def outcome(installed: bool) -> str:
        try:
            return manager(installed).transform_cell(cell)
        except SyntaxError as error:
            return str(error)

    assert outcome(True) == outcome(False)


PIECES = [
    "x", "'", '"', '"""', "'''", "(", ")", "[", "]", "{", "}", "\\\n", "\n", "\n    ", "if x:",
    "%claude why?", "%claude", " = ", "#", ":", "f'", "r'",
    "%", " ", "+",
]  # fmt: skip


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("x = '''\n%claude why?\n'''")
@example("x = [\n%claude]")
@example("x = 'a\\\n%claude why?'")
@example("x = x \\\n%claude")
def test_what_is_python_already_is_never_changed(cell):
    """`%claude` in a string, a comment or as a remainder is not ours, however it is wrapped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(cell)
    except (SyntaxError, ValueError):
        return
    assert "".join(lines.taken_lines(cell.splitlines(keepends=True))) == cell


def test_in_a_terminal_a_blank_line_ends_the_body():
    assert manager().check_complete("%%claude\n") == ("incomplete", 0)
    assert manager().check_complete("# c\n%%claude -n\nwhy")[0] == "incomplete"
    assert manager().check_complete("%%claude\nwhy\n\n")[0] == "complete"
    assert manager().check_complete("%claude it's why?")[0] == "complete"


def test_installing_twice_does_not_double_and_removing_leaves_nothing():
    ip = SimpleNamespace(input_transformer_manager=TransformerManager())
    before = list(ip.input_transformer_manager.cleanup_transforms)
    lines.install(ip)
    once = list(ip.input_transformer_manager.cleanup_transforms)
    lines.install(ip)
    assert ip.input_transformer_manager.cleanup_transforms == once
    lines.uninstall(ip)
    assert ip.input_transformer_manager.cleanup_transforms == before
