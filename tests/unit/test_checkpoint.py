"""What Claude's work changed is brought back, into the same objects; what cannot be brought back is named before."""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from claude_jupyter.kernel.checkpoint import Checkpoint

Namespace = dict[str, Any]


@dataclasses.dataclass
class Plain:
    value: int = 1
    items: list[int] = dataclasses.field(default_factory=lambda: [1])


class Model:
    """As estimators are: fitting sets attributes and writes into arrays."""

    def __init__(self) -> None:
        self.weights = np.zeros(3)

    def fit(self) -> None:
        self.weights += 1
        self.fitted_ = True


Plain.__module__ = Model.__module__ = "__main__"


def namespace() -> Namespace:
    """A user's variables, with one name for two of them and one inside others."""
    df = pd.DataFrame({"a": [3, 1, 2], "b": ["x", "y", "z"], "c": [1.5, np.nan, 2.5]}, index=[10, 20, 30])
    numbers = [1, 2, 3]
    return {
        "df": df, "alias": df, "holder": {"df": df, "numbers": numbers}, "series": pd.Series([1, 2, 3], name="s"), "numbers": numbers,
        "nested": [[1], {"k": [2]}], "config": {"a": 1, "b": {"c": [1]}}, "tags": {"p", "q"}, "array": np.arange(6.0).reshape(2, 3),
        "objects": np.array([[1], None], dtype=object), "queue": collections.deque([1, 2]), "counts": collections.Counter("aab"),
        "groups": collections.defaultdict(list, {"a": [1]}), "raw": bytearray(b"abc"), "typed": array.array("d", [1.0, 2.0]),
        "plain": Plain(), "model": Model(), "n": 5, "text": "hello", "pair": (1, [2]), "pl_df": pl.DataFrame({"v": [1, 2]}),
        "table": pa.table({"v": [1, 2]}), "cat": pd.DataFrame({"g": pd.Categorical(["a", "b"])}), "pl_s": pl.Series("v", [1, 2]),
        "times": pd.DataFrame({"t": pd.date_range("2024-01-01", periods=3, tz="UTC")}), "nothing": None, "strings": pd.Series(["a", None]),
    }  # fmt: skip


MUTATIONS = """
df["new"] = 1
df.drop(columns="a", inplace=True)
df.sort_values("a", inplace=True)
df.rename(columns={"a": "A"}, inplace=True)
df.fillna(0, inplace=True)
df.reset_index(drop=True, inplace=True)
df.set_index("a", inplace=True)
df.dropna(inplace=True)
df.loc[10, "a"] = 99
df.iloc[0, 0] = 99
df.at[20, "b"] = "changed"
df.insert(0, "z", 0)
df.pop("b")
del df["c"]
df.columns = ["p", "q", "r"]
df.index = [0, 1, 2]
df.index.name = "named"
df.update(pd.DataFrame({"a": [7, 8, 9]}, index=[10, 20, 30]))
df.attrs["note"] = "hi"
df.eval("d = a + 1", inplace=True)
df.query("a > 1", inplace=True)
df.mask(df["a"] > 1, inplace=True) if False else df["a"].mask(df["a"] > 1)
df["a"] = df["a"].astype("float32")
alias["through another name"] = 1
holder["df"]["through a dict"] = 1
series[0] = 9
series.name = "renamed"
series.drop(index=0, inplace=True)
strings[0] = "b"
times["t"] = times["t"].dt.tz_convert("Europe/Rome")
cat["g"] = cat["g"].cat.add_categories("c")
numbers.append(4)
numbers.sort(reverse=True)
numbers[:] = []
nested[0].append(2)
nested[1]["k"].clear()
nested.reverse()
config["new"] = 1
config["b"]["c"].append(2)
config.clear()
config.update(a=2)
tags.add("r")
tags.clear()
array[0, 0] = 9
array *= 2
array[::-1].sort(axis=0)
array.shape = (3, 2)
objects[0].append(1)
queue.appendleft(0)
queue.clear()
counts["z"] = 3
groups["b"].append(1)
raw.extend(b"d")
typed.append(3.0)
plain.value = 2
plain.items.append(2)
plain.extra = 1
del plain.value
model.fit()
n = 6
text += "!"
pair[1].append(3)
del numbers
del df, alias
new_name = [1]
df = 5
pl_df.insert_column(0, pl.Series("w", [3, 4]))
pl_df.columns = ["renamed"]
pl_df[0, "v"] = 9
pl_s[0] = 9
globals()["n"] = 7
globals().pop("text")
""".strip().splitlines()


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
        return a.attrs == b.attrs
    if isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b)
        return True
    if isinstance(a, pl.DataFrame | pl.Series | pa.Table):
        return bool(a.equals(b))
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tolist() == b.tolist()
    if isinstance(a, Model | Plain):
        return vars(a).keys() == vars(b).keys() and all(_same(vars(a)[k], vars(b)[k]) for k in vars(a))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple | collections.deque):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


def test_the_list_is_long_enough() -> None:
    assert len(MUTATIONS) >= 60


@pytest.mark.parametrize("code", MUTATIONS)
def test_a_change_is_told_and_taken_back(code: str) -> None:
    names = namespace() | {"pd": pd, "pl": pl}
    before = copy.deepcopy(namespace())
    identity = {name: id(names[name]) for name in before}
    checkpoint = Checkpoint(names)
    assert checkpoint.unprotected == ()
    assert not checkpoint.changes(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, names)
    for name in ("__builtins__", "__warningregistry__"):
        names.pop(name, None)
    if "False" not in code:
        assert checkpoint.changes(names), "a change that nobody is told of"
    assert checkpoint.restore(names) == ()
    assert names.keys() - {"pd", "pl"} == before.keys()
    assert all(_same(names[name], before[name]) for name in before)
    assert {name: id(names[name]) for name in before} == identity
    assert names["alias"] is names["df"] is names["holder"]["df"]
    assert not checkpoint.changes(names)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: (i for i in range(3)), "generator"),
        (lambda: open(__file__), "file"),  # noqa: PTH123, SIM115
        (lambda: __import__("threading").Lock(), "lock"),
        (lambda: __import__("sqlite3").connect(":memory:"), "connection"),
        (lambda: __import__("matplotlib.figure").figure.Figure(), "figure"),
        (lambda: [1, (i for i in range(3))], "list with a generator"),
        (lambda: __import__("re").compile("x").scanner("x"), "scanner"),
        (lambda: np.zeros(300_000_000, dtype="int8"), "array above the cap"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_brought_back_is_named_before(make: Callable[[], Any], what: str) -> None:
    value = make()
    assert Checkpoint({"it": value, "fine": [1]}).unprotected == ("it",)
    getattr(value, "close", lambda: None)()


def test_changes_say_shapes_before_and_after() -> None:
    names = namespace()
    checkpoint = Checkpoint(names)
    names["df"]["new"] = 1
    names["monthly"] = pd.DataFrame({"m": range(12)})
    del names["text"]
    changes = checkpoint.changes(names)
    assert changes.changed["df"] == ("DataFrame 3 × 3", "DataFrame 3 × 4")
    assert changes.added == {"monthly": "DataFrame 12 × 1"}
    assert list(changes.removed) == ["text"]


def test_a_name_bound_again_to_an_equal_number_is_no_change() -> None:
    names = {"n": 1000}
    checkpoint = Checkpoint(names)
    names["n"] = int("1000")
    assert not checkpoint.changes(names)


def test_undone_code_draws_the_same_random_numbers_again() -> None:
    names: Namespace = {}
    checkpoint = Checkpoint(names)
    first = np.random.rand(3).tolist()
    checkpoint.restore(names)
    assert np.random.rand(3).tolist() == first


def test_frames_are_shared_and_not_copied() -> None:
    frames = {f"f{i}": pd.DataFrame(np.zeros((200_000, 20))) for i in range(3)}
    checkpoint = Checkpoint(frames)
    kept = [
        cell.cell_contents for saved in checkpoint._saved.values() for cell in saved.restore.__closure__ or ()
    ]
    copies = [value for value in kept if isinstance(value, pd.DataFrame)]
    assert len(copies) >= 3
    assert all(any(np.shares_memory(c.values, f.values) for f in frames.values()) for c in copies)


def test_circles_and_private_names_are_no_trouble() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    names = {"circle": circle, "_private": [1], "In": ["x"]}
    checkpoint = Checkpoint(names)
    circle.append(2)
    names["_private"].append(2)
    assert list(checkpoint.changes(names).changed) == ["circle"]
    checkpoint.restore(names)
    assert len(circle) == 2 and names["_private"] == [1, 2]
