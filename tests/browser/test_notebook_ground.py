"""The ground of the browser tests itself: a cell runs, is interrupted, and is saved, in both frontends."""

from __future__ import annotations

from playwright.sync_api import expect


def test_a_cell_runs_and_is_saved(open_notebook):
    notebook = open_notebook(["print('hello ' * 3)"])
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("hello hello hello")
    saved = notebook.save()
    assert saved.cells[0].outputs[0].text == "hello hello hello \n"
    assert notebook.watch.foreign == []
    assert notebook.watch.errors == []
    assert "TaskDuration" in notebook.metrics()


def test_a_cell_is_interrupted(open_notebook):
    # Short naps: a signal that arrives between Python's look for one and the system's sleep waits for the end of that sleep.
    notebook = open_notebook(["import time\nprint('on')\nwhile True: time.sleep(0.1)"])
    notebook.start(0)
    expect(notebook.output(0)).to_contain_text("on")
    notebook.interrupt()
    notebook.wait_until_done(0)
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
