"""What a proposed cell would do is told before it runs: nothing that reaches beyond new names is ever called harmless."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support.harmless_cells import HARMLESS
from support.nasty_cells import NASTY

from claude_jupyter.kernel.effects import effects_of

OWN = """
import os
counter = 0

def helper(x):
    return x * 2

def mean_of(frame):
    return frame["rain"].mean()

def global_counter():
    global counter
    counter += 1

def writes_a_file(frame):
    frame.to_csv("secret.csv")

def hidden_write(frame):
    writes_a_file(frame)

def suppress_and_write():
    return open("x", "w")

def os_remove(path):
    os.remove(path)

class Thing:
    def __init__(self):
        self.value = 1

    def bump(self):
        self.value += 1

    @property
    def prop(self):
        self.value += 1
        return 1

class Model:
    def fit(self, x, y):
        self.coef_ = [1]
        return self

    def set_params(self, **params):
        vars(self).update(params)

class Loud:
    def __repr__(self):
        os.remove("x")
        return "loud"

    def __add__(self, other):
        os.remove("x")
"""


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    return namespace()


def namespace() -> dict[str, Any]:
    """A user's variables, of many kinds."""
    import matplotlib as mpl

    mpl.use("Agg")
    import seaborn as sns
    from matplotlib import pyplot as plt

    linecache.cache["<cell 1>"] = (len(OWN), None, OWN.splitlines(True), "<cell 1>")
    own: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(OWN, "<cell 1>", "exec"), own)
    df = pd.DataFrame(
        {
            "city": ["Rome", "Oslo"] * 6,
            "month": range(1, 13),
            "rain": np.arange(12.0),
            "date": pd.date_range("2024-01-01", periods=12),
        }
    )
    figure, ax = plt.subplots()
    own |= {
        "pd": pd, "np": np, "plt": plt, "sns": sns, "pl": pl, "df": df, "cities": pd.DataFrame({"city": ["Rome"], "pop": [1]}),
        "numbers": [1, 2, 3], "nested": [[1], [2]], "config": {"a": 1}, "array": np.arange(10.0), "stream": (i for i in range(3)),
        "thing": own["Thing"](), "loud": own["Loud"](), "model": own["Model"](), "fig": figure, "ax": ax,
        "pl_df": pl.DataFrame({"g": ["a", "b"], "v": [1, 2]}), "wide0": pd.DataFrame({"a": [1], "b": [2]}), "claude": object(),
    }  # fmt: skip
    plt.close("all")
    return own


def test_the_list_is_long_enough() -> None:
    assert len(HARMLESS) >= 100 and len(NASTY) >= 100


@pytest.mark.parametrize("code", NASTY)
def test_what_reaches_beyond_new_names_waits(code: str, names: dict[str, Any]) -> None:
    assert not effects_of(code, names).harmless


def test_most_of_what_is_harmless_runs_without_asking(names: dict[str, Any]) -> None:
    asked = {
        code: effects_of(code, names).words() for code in HARMLESS if not effects_of(code, names).harmless
    }
    assert len(asked) <= len(HARMLESS) // 5, asked


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("monthly = df.groupby('month').sum()", "reads df · adds monthly"),
        ("df.to_csv('out.csv')", "reads df · writes out.csv"),
        ("x = df\nx['a'] = 1", "reads df · adds x · changes df"),
        ("!ls -l", "runs a shell command: ls -l"),
        ("%pip install q", "installs %pip install q"),
        ("import requests\nrequests.get('https://e.org')", "uses the network: get https://e.org"),
        ("1 + 1", "changes nothing"),
        ("open('x', 'w').write('a')", "writes x"),
        ("with open('x', 'w') as f:\n    f.write('a')", "adds f · writes x"),
        ("import pathlib\npathlib.Path('x').write_text('a')", "writes x"),
        ("import json\njson.dump({}, open('x', 'w'))", "writes x"),
        ("import pathlib\npathlib.Path('x').open('w').write('a')", "writes x"),
        ("p = 'x'\nopen(p, 'w').write('a')", "adds p · writes p"),
        ("p = 'x'\nopen(p).read()", "adds p · reads file p"),
        ("p = 'x'\ndf.to_csv(p, sep=';')", "reads df · adds p · uses files: to_csv"),
        ("p = 'x'\nimport numpy as np\nnp.savetxt(p, [1], '%d')", "adds p · uses files: numpy.savetxt"),
        (
            "import pandas as pd\npd.read_csv('https://e.org/a.csv')",
            "uses the network: read_csv https://e.org/a.csv",
        ),
        ("import pandas as pd\npd.read_csv('a.csv', sep=';')", "reads file a.csv"),
        ("import joblib\njoblib.dump(model, 'm.pkl')", "reads model · writes m.pkl"),
        ("import matplotlib.pyplot as plt\nplt.plot([1, 2])", "adds a plot"),
        ("df.plot()", "reads df · adds a plot"),
        ("ax2 = df.plot.bar()", "reads df · adds a plot, ax2"),
        ("import seaborn as sns\nsns.histplot(df)", "reads df · adds a plot"),
    ],
)
def test_the_effects_in_one_line(code: str, line: str, names: dict[str, Any]) -> None:
    assert effects_of(code, names).words() == line


@pytest.mark.parametrize(
    ("code", "in_place"),
    [
        ("ax = df.plot()\nax.set_title('t')", ()),
        ("fig, ax = plt.subplots()", ()),
        ("for ax in (1, 2): pass", ()),
        ("del ax, fig", ()),
        ("import os as ax", ()),
        ("ax.set_title('t')", ("ax",)),
        ("ax.clear()\nax = df.plot()", ("ax",)),
        ("numbers += [4]", ("numbers",)),
        ("thing.value = 2\nfig = 1", ("thing",)),
        ("alias = array\nalias[0] = 1\ndf = df.head()", ("array",)),
    ],
)
def test_a_name_bound_again_is_not_changed_in_place(
    code: str, in_place: tuple[str, ...], names: dict[str, Any]
) -> None:
    effects = effects_of(code, names)
    assert effects.in_place == in_place and set(in_place) <= set(effects.changes)
    assert "in_place" not in effects.to_json() and not effects.harmless


def test_the_open_of_a_kernel_opens_files(names: dict[str, Any]) -> None:
    from IPython.core import interactiveshell

    opens = vars(interactiveshell)["_modified_open"]  # what every kernel starts with under this name
    assert opens is not open
    assert effects_of("open('x', 'w').write('a')", {**names, "open": opens}).files == ("writes x",)


def test_nothing_of_the_users_runs_while_it_is_looked_at(names: dict[str, Any]) -> None:
    class Trap:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    effects_of("trap.x + trap[0]\nprint(trap)\nfor t in trap: t()", {**names, "trap": Trap()})


def test_a_cell_without_end_is_checked_in_time(names: dict[str, Any]) -> None:
    assert not effects_of("x\n" * 61_000, names).harmless
    assert not effects_of("x = 1\n" * 200_000, names).harmless
    assert not effects_of("(" * 5_000 + ")" * 5_000, names).harmless


def test_functions_that_call_each_other_are_checked_in_time(names: dict[str, Any]) -> None:
    code = "def a(n): return b(n)\ndef b(n): return a(n)\na(1)"
    assert effects_of(code, names).adds == ("a", "b")
