"""What the recorder remembers of cells, in a real ipykernel and in a real terminal IPython."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kernel import Kernel, running_kernel

RECORDER = """
from claude_jupyter.content.cells import recent
from claude_jupyter.content.cells.recorder import Recorder
from claude_jupyter.content.rules import Rules
from claude_jupyter.options.option_values import CellReference
rec = Recorder(get_ipython()); rec.install()
def last(): return [c for c in rec.cells() if 'chr(2)' not in c.source][-1]
def told(**how):
    return [(a.kind, a.label, a.sent, a.blocks[0]["text"]) for a in recent.last_cells([last()], Rules(**how))]
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("recorder"), code=RECORDER) as kernel:
        yield kernel


def look(kernel: Kernel, expression: str) -> Any:
    """The value of an expression in the kernel; such cells are not what `last()` tells of."""
    done = kernel.run(f"print(chr(2) + repr(({expression})) + chr(3))")
    assert done.ok, done.error
    return ast.literal_eval(done.stdout.split(chr(2))[1].split(chr(3))[0])


def after(kernel: Kernel, code: str, expression: str, **how: Any) -> Any:
    """Run a cell, then look at an expression about it."""
    kernel.run(code, **how)
    return look(kernel, expression)


def test_a_cell_is_remembered_with_its_source_id_count_text_and_value(kernel: Kernel) -> None:
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7"
    kernel.run(code, cell_id="abc-1")
    cell = look(
        kernel,
        "(c := last()).source, c.id, c.count > 0, c.text, [(s.data, s.value) for s in c.displayed], c.error",
    )
    assert cell == (code, "abc-1", True, "out\nerr\n", [("42", True)], "")


def test_a_cell_is_called_by_the_number_in_the_notebook_s_margin(kernel: Kernel) -> None:
    done = kernel.run("display(get_ipython().user_ns and __import__('PIL.Image').Image.new('RGB', (9, 9)))")
    number = done.reply["execution_count"]
    assert look(kernel, "last().label") == f"In[{number}]"
    assert look(kernel, "rec.plots(1, Rules())[0].label") == f"In[{number}] picture"
    now = kernel.run(
        "display(__import__('PIL.Image').Image.new('RGB', (8, 8))); print(rec.plots(1, Rules())[0].label)"
    )
    assert now.stdout == f"In[{now.reply['execution_count']}] picture\n"


def test_text_of_subprocesses_and_threads_is_text_of_the_cell(kernel: Kernel) -> None:
    code = "!echo from a shell\nimport threading; t = threading.Thread(target=print, args=('from a thread',)); t.start(); t.join()"
    text = after(kernel, code, "last().text").replace("\r\n", "\n")
    assert "from a shell\n" in text
    assert "from a thread\n" in text


def test_captured_output_was_not_shown_and_is_not_remembered(kernel: Kernel) -> None:
    shown = after(
        kernel, "%%capture\nprint('hidden'); display('hidden too')", "(last().text, last().displayed)"
    )
    assert shown == ("", ())


def test_a_figure_that_the_inline_backend_closed_can_still_be_pointed_at(kernel: Kernel) -> None:
    kernel.run(
        "%matplotlib inline\nimport matplotlib.pyplot as plt; plt.plot([1, 2, 3]); plt.title('first');"
    )
    kernel.run("plt.plot([3, 2, 1]); plt.show(); print('after')")
    assert look(kernel, "plt.get_fignums()") == []
    plots = look(kernel, "[(a.kind, a.size, a.label) for a in rec.plots(2, Rules())]")
    assert [kind for kind, _, _ in plots] == ["image", "image"]
    assert all(300 < width < 700 and 300 < height < 500 for _, (width, height), _ in plots)
    assert plots[0][2] != plots[1][2]


def test_images_of_any_library_count(kernel: Kernel) -> None:
    kernel.run(
        "import altair as alt, plotly.express as px, pandas as pd, plotly.io as pio, bokeh.io, bokeh.plotting"
    )
    kernel.run("bokeh.io.output_notebook()")
    kernel.run("line = px.line(x=[1, 2], y=[2, 1]); line")
    kernel.run("alt.Chart(pd.DataFrame({'x': [1, 2]})).mark_bar().encode(x='x:O')")
    kernel.run("from PIL import Image as I; I.new('RGB', (64, 48), 'red')")
    kernel.run(
        "p = bokeh.plotting.figure(width=300, height=200); p.line([1, 2], [2, 1]); bokeh.plotting.show(p)"
    )
    kernel.run("line.show(renderer='notebook_connected')")
    plots = look(kernel, "[(a.kind, a.size) for a in rec.plots(5, Rules())]")
    assert [kind for kind, _ in plots] == ["image"] * 5
    sizes = [size for _, size in plots]
    assert (sizes[0], sizes[2], sizes[3], sizes[4]) == ((700, 500), (64, 48), (300, 200), (700, 500))


def test_a_picture_of_the_cell_under_way_is_among_the_newest(kernel: Kernel) -> None:
    done = kernel.run("display(I.new('RGB', (33, 22), 'blue')); print(rec.plots(1, Rules())[0].size)")
    assert "(33, 22)" in done.stdout


def test_displays_of_a_thread_are_seen_too(kernel: Kernel) -> None:
    code = "t = threading.Thread(target=lambda: display(I.new('RGB', (31, 21)))); t.start(); t.join()"
    assert after(kernel, code, "rec.plots(1, Rules())[0].size") == (31, 21)


def test_an_updated_display_counts_in_its_last_state_even_from_a_later_cell(kernel: Kernel) -> None:
    kernel.run("h = display(I.new('RGB', (10, 10)), display_id=True); mine = rec")
    kernel.run("h.update(I.new('RGB', (20, 20)))")
    assert look(kernel, "[a.size for a in rec.plots(1, Rules())]") == [(20, 20)]
    code = "for i in range(3):\n    h.update(I.new('RGB', (40 + i, 30)))\n"
    before = look(kernel, "len(rec.images())")
    assert after(kernel, code, "(len(rec.images()), rec.plots(1, Rules())[0].size)") == (before, (42, 30))


def test_clear_output_clears_what_is_remembered(kernel: Kernel) -> None:
    code = (
        "from IPython.display import clear_output\nprint('gone'); display(I.new('RGB', (5, 5)))\n"
        "clear_output(); print('stays')\nclear_output(wait=True); print('the end')"
    )
    assert after(kernel, code, "(last().text, last().displayed)") == ("the end\n", ())


def test_an_error_is_remembered_as_text_and_the_exception_is_ipythons_to_keep(kernel: Kernel) -> None:
    kernel.run("class Thing: pass\ndef f(thing):\n    return 1 / 0")
    kernel.run("print('before'); f(Thing())")
    error = look(kernel, "last().error")
    assert error.startswith("Traceback (most recent call last):\n  cell, line 1")
    assert error.endswith("ZeroDivisionError: division by zero\n")
    assert look(kernel, "last().error_name, type(rec.error()).__name__") != ()
    text = look(kernel, "[a.blocks[0]['text'] for a in rec.last_error(Rules())]")
    assert "ZeroDivisionError: division by zero" in text[0]
    assert "print('before'); f(Thing())" in text[0]
    kernel.run(
        "import gc, sys; sys.last_value = sys.last_traceback = sys.last_exc = None; del sys.last_value"
    )
    kernel.run("get_ipython().run_line_magic('reset', '-f out') if False else None; gc.collect()")
    assert look(kernel, "rec.last_error(Rules())[0].kind") == "error"


def test_a_syntax_error_is_an_error(kernel: Kernel) -> None:
    assert after(kernel, "x = = 1", "last().error_name") == "SyntaxError"
    assert "x = = 1" in look(kernel, "rec.last_error(Rules())[0].blocks[0]['text']")


def test_an_error_of_ours_does_not_take_the_place_of_the_users(kernel: Kernel) -> None:
    kernel.run("{}['missing']")
    kernel.run("from claude_jupyter.errors import UsageError\nraise UsageError('say it otherwise')")
    assert look(kernel, "type(rec.error()).__name__") == "KeyError"
    assert "{}['missing']" in look(kernel, "rec.last_error(Rules())[0].blocks[0]['text']")


def test_nothing_of_the_users_is_kept_alive(kernel: Kernel) -> None:
    kernel.run("import gc, weakref\nclass Big: pass\nbig = Big(); alive = weakref.ref(big)")
    kernel.run("display(big)\nbig")
    kernel.run("%xdel big")
    kernel.run("gc.collect()")
    assert look(kernel, "alive() is None")


def test_cells_that_ask_are_marked_and_skipped(kernel: Kernel) -> None:
    kernel.run("marker = 'an ordinary cell'")
    kernel.run("%%claude -p\nwhat is this?")
    kernel.run("# a comment\n\n%%claude\nand this?")
    kernel.run("answer = %claude what?")
    assert look(kernel, "last().source") == "marker = 'an ordinary cell'"
    assert look(kernel, "[c.asks for c in rec.cells(5, asking=True)]") == [False, True, True, True, False]


def test_cells_within_cells_and_silent_ones_are_not_cells(kernel: Kernel) -> None:
    kernel.run("%%time\nprint('timed')")
    assert look(kernel, "last().source, 'timed' in last().text") == ("%%time\nprint('timed')", True)
    code = "get_ipython().run_cell('print(123)'); print('outer')"
    assert after(kernel, code, f"(last().source == {code!r}, last().text)") == (True, "123\nouter\n")


def test_last_cells_are_told_as_text_and_pictures(kernel: Kernel) -> None:
    kernel.run("x = 5  # source\nprint('\\x1b[31mred\\x1b[0m')\ndisplay(I.new('RGB', (50, 40)))\nx")
    (kind, label, sent, text), (image, *_) = look(kernel, "told()")
    assert (kind, image) == ("cell", "image")
    assert label.startswith("In[")
    assert sent == "4 lines of code, output, 1 picture"
    for part in ("x = 5  # source", "printed:\nred\n", "value:\n5"):
        assert part in text
    assert "\x1b" not in text


def test_progress_bars_stand_at_their_end(kernel: Kernel) -> None:
    kernel.run("from tqdm import tqdm\nfor i in tqdm(range(50)): pass")
    text = look(kernel, "told()[0][3]")
    assert "50/50" in text
    assert " 0/50" not in text


def test_with_rows_none_no_cell_of_a_frame_leaves(kernel: Kernel) -> None:
    canary = "CANARY7731"
    kernel.run(f"df = pd.DataFrame({{'a': ['{canary}' + str(i) for i in range(9)], 'b': range(9)}})")
    for code in (
        "df",
        "df.a",
        "display(df)",
        "print(df)",
        "print(df.iloc[0])",
        "df.to_dict()",
        "[df]",
        "df.a[0]",
        "df[df.a[0]]",
    ):
        kernel.run(code)
        text = str(look(kernel, "told(rows='none')"))
        assert canary not in text, code
        assert "withheld: --rows none" in text, code
    kernel.run("df")
    assert "[table withheld: --rows none]" in look(kernel, "told(rows='none')[0][3]")


def test_a_table_shows_as_many_rows_as_rows_says(kernel: Kernel) -> None:
    kernel.run("pd.DataFrame({'a': [f'row{i}' for i in range(9)]})")
    text = look(kernel, "told(rows='3')[0][3]")
    assert "row2" in text and "row3" not in text
    assert "6 more lines left out: --rows 3" in text
    assert "row8" in look(kernel, "told(rows='all')[0][3]")


def test_nothing_to_point_at_is_said_in_one_line(tmp_path: Path) -> None:
    with running_kernel(tmp_path, code=RECORDER) as kernel:
        for call in ("plots(1, Rules())", "last_cells(1, Rules())", "last_error(Rules())"):
            done = kernel.run(f"Recorder(get_ipython()).{call}")
            assert done.error_name == "UsageError"


def test_taken_out_it_leaves_the_shell_as_it_was_and_put_in_twice_it_counts_once(tmp_path: Path) -> None:
    state = (
        "[sorted(k for k in vars(o) if k in ('publish', 'clear_output', 'write_format_data')) for o in "
        "(get_ipython().display_pub, get_ipython().displayhook)], "
        "{k: len(v) for k, v in get_ipython().events.callbacks.items()}"
    )
    with running_kernel(tmp_path) as kernel:
        kernel.run("from claude_jupyter.content.cells.recorder import Recorder")
        before = look(kernel, state)
        kernel.run("a = Recorder(get_ipython()); a.install(); b = Recorder(get_ipython()); b.install()")
        kernel.run("print('once'); display('x')")
        assert look(kernel, "len(a.cells()), b.cells(1)[0].text, len(b.cells(1)[0].displayed)") == (
            0,
            "once\n",
            1,
        )
        kernel.run("a.uninstall(); b.uninstall()")
        assert look(kernel, state) == before
        assert kernel.run("print('still prints'); display('y')").stdout == "still prints\n"


def test_it_keeps_to_its_bounds(kernel: Kernel, tmp_path: Path) -> None:
    with running_kernel(tmp_path, code=RECORDER) as own:
        own.run("for i in range(300000): print('a line of text number', i)", timeout=120)
        length, first, final = look(own, "(len(t := last().text), t[:26], t.rstrip()[-6:])")
        assert length < 300_000
        assert (first, final) == ("a line of text number 0\na ", "299999")
        own.run("from IPython.display import Image, display\nb = bytes(range(256)) * 40_000")
        own.run("for i in range(20): display({'image/png': 'A' * 10_000_000}, raw=True)")
        assert look(own, "rec._size < 64 * 2**20 and len(last().images)") == 3
        own.run("for i in range(260): get_ipython().run_cell('1', store_history=True)")
        assert look(own, "len(rec.cells()) <= 200")


TERMINAL = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.terminal.interactiveshell import TerminalInteractiveShell
ip = TerminalInteractiveShell.instance(simple_prompt=True, history_load_length=0)
ip.history_manager.enabled = False
ip.run_cell('''{recorder}''', store_history=True)
for code in (
    "import sys; print('out'); 6 * 7",
    "from IPython.display import display, Image; from PIL import Image as I; display('shown'); display(I.new('RGB', (30, 20)))",
    "1 / 0",
):
    ip.run_cell(code, store_history=True)
import matplotlib; matplotlib.use("agg")
ip.run_cell("import matplotlib.pyplot as plt; plt.plot([1, 2])", store_history=True)
rec = ip.user_ns["rec"]
print("PLOT", [a.kind for a in rec.plots(1, ip.user_ns["Rules"]())])
for cell in rec.cells():
    print("CELL", [cell.source, cell.text, [(s.media_type, s.value) for s in cell.displayed], cell.error_name], flush=True)
"""


def test_it_works_in_a_terminal(tmp_path: Path) -> None:
    code = TERMINAL.replace("{recorder}", RECORDER.replace("\n", "\\n").replace('"', '\\"'))
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={"IPYTHONDIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, timeout=60,
    )  # fmt: skip
    loading, *cells = [line for line in run.stdout.splitlines() if line.startswith("CELL")]
    assert "rec.install()" in loading
    assert "PLOT ['image']" in run.stdout
    assert len(cells) == 4, run.stdout + run.stderr
    assert "'out\\n', [('text/plain', True)], ''" in cells[0]
    assert "'', [('text/plain', False), ('text/plain', False)], ''" in cells[1]
    assert "'', [], 'ZeroDivisionError'" in cells[2]


NUMBERS = "[a.blocks[-1].get('text', '') for a in rec.plots({}, Rules())]"


def test_a_picture_goes_with_the_numbers_of_its_figure_while_that_is_there_and_unchanged(
    kernel: Kernel,
) -> None:
    kernel.run(
        "%matplotlib inline\nimport matplotlib.pyplot as plt; fig, ax = plt.subplots(); ax.plot([11, 22, 34], label='a')"
    )
    number = kernel.run("plt.bar(['x', 'y'], [5, 6]);").reply["execution_count"]
    kernel.run("import gc; _ = gc.collect()")
    kept, gone = look(kernel, NUMBERS.format(2))
    assert "11 22 34" in kept and gone == ""
    cell = look(
        kernel,
        f"[a.blocks[-1].get('text', '') for a in rec.pointed(CellReference(cell='{number - 1}'), Rules())]",
    )
    assert "11 22 34" in cell[-1]
    assert "11" not in look(kernel, "rec.plots(2, Rules(rows='none'))[0].blocks[-1]['text']")
    kernel.run("ax.plot([7, 8, 9], label='b');\nfig")
    old, _, new = look(kernel, NUMBERS.format(3))
    assert old == "" and "11 22 34" in new and "7 8 9" in new
    kernel.run("ax.lines[0].set_ydata([1, 2, 3])")
    assert look(kernel, NUMBERS.format(1)) == [""]


def test_charts_of_other_libraries_go_with_the_numbers_that_they_were_shown_with(kernel: Kernel) -> None:
    kernel.run("import plotly.graph_objects as go; go.Figure(go.Scatter(x=[1, 2], y=[33, 44]))")
    kernel.run(
        "import altair, pandas; altair.Chart(pandas.DataFrame({'a': [1, 2], 'b': [55, 66]})).mark_line().encode(x='a', y='b')"
    )
    kernel.run(
        "from plotnine import ggplot, aes, geom_line\n"
        "nine = ggplot(pandas.DataFrame({'a': [1, 2], 'b': [77, 88]}), aes('a', 'b')) + geom_line()\nnine"
    )
    found = look(kernel, NUMBERS.format(3))
    for text, numbers in zip(found, ("33", "55", "77"), strict=True):
        assert numbers in text


def test_the_cell_that_loads_the_extension_counts_if_it_does_more_than_that(tmp_path: Path) -> None:
    with running_kernel(tmp_path) as kernel:
        kernel.run("earlier = 1")
        kernel.run("%load_ext claude_jupyter\nprint('twelve rows')", cell_id="first")
        sent = kernel.run("%claude -l --dry-run What is this?", cell_id="second")
        assert sent.ok and "twelve rows" in str(sent.bundles) + sent.stdout
    with running_kernel(tmp_path) as kernel:
        kernel.run("%load_ext claude_jupyter")
        sent = kernel.run("%claude -l --dry-run What is this?")
        assert not sent.ok and "there is no earlier cell" in sent.error
