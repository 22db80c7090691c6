"""A bank of questions over twelve frames and forty figures with known answers. Who answers them without a model is in `bank_reader.py`.

Of each question is known what it asks (a fact, columns, values), as a model would know after reading it, and the SELECT that
asks it of the tool `query`; the answers were computed from the data by pandas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

ROWS = 240
TOPICS = ("lookup", "filter", "aggregate", "group", "join", "time", "missing", "duplicates", "outliers")


@dataclass(frozen=True)
class Question:
    """One question on a frame.

    Attributes
    ----------
    topic
        One of `TOPICS`.
    sql
        What asks it.
    fact
        What is asked, as far as a description may say it: (`mean`, column), (`row`, column, key's column, key) …; empty: a
        description cannot say it.
    """

    frame: str
    topic: str
    text: str
    answer: Any
    sql: str
    fact: tuple[str, ...] = ()


def tables() -> dict[str, pd.DataFrame]:
    """Twelve tables of five columns of their own; what differs are names, sizes, distributions and gaps."""
    topics = {
        "sales": ("city", "amount", "day"), "sensors": ("station", "reading", "at"), "orders": ("region", "price", "ordered"),
        "visits": ("page", "seconds", "seen"), "trips": ("line", "distance", "left_at"), "grades": ("course", "points", "held"),
        "energy": ("plant", "output", "hour"), "loans": ("branch", "rate", "granted"), "crops": ("field", "yield_t", "harvested"),
        "calls": ("desk", "minutes", "began"), "parcels": ("depot", "weight", "sent"), "films": ("genre", "gross", "shown"),
    }  # fmt: skip
    result: dict[str, pd.DataFrame] = {}
    for seed, (name, (group, value, when)) in enumerate(topics.items()):
        random = np.random.default_rng(seed)
        rows = ROWS + 17 * seed
        labels = [f"{group}_{letter}" for letter in "abcde"]
        shares = np.array([0.36, 0.26, 0.18, 0.12, 0.08])
        values = random.gamma(2.0, 40.0 + seed, rows).round(2)
        units = np.maximum((values / 10 + random.normal(0, 2, rows)).round().astype(int) - 3, 0)
        values[:: 31 + seed] = (values[:: 31 + seed] * 9).round(2)  # outliers
        table = pd.DataFrame(
            {
                "key": np.arange(1000, 1000 + rows),
                group: random.choice(labels, rows, p=shares),
                value: values,
                "units": units,
                when: pd.date_range("2025-01-01", periods=rows, freq=["h", "6h", "D"][seed % 3]),
            }
        )
        table.loc[random.choice(rows, 9 + seed, replace=False), value] = np.nan
        result[name] = pd.concat([table, table.iloc[5:8]], ignore_index=True) if seed % 2 else table
    return result


def namespace() -> dict[str, Any]:
    """The frames as the kernel holds them: six of pandas, six of Polars."""
    frames: dict[str, Any] = {}
    for at, (name, table) in enumerate(tables().items()):
        frames[name] = table if at % 2 else pl.from_pandas(table)
    return frames


def questions() -> list[Question]:
    """The bank: 27 questions on each frame."""
    return [question for name, table in tables().items() for question in _of(name, table)]


def _of(name: str, table: pd.DataFrame) -> Iterator[Question]:
    key, group, value, units, when = table.columns
    numbers = table[value].dropna()
    low, high = float(numbers.quantile(0.25)), float(numbers.quantile(0.75))
    counts, means = table[group].value_counts(), table.groupby(group)[value].mean()
    third, rare = str(counts.index[2]), str(counts.index[-1])
    limit, fence, far = (
        float(numbers.quantile(0.6).round(1)),
        high + 1.5 * (high - low),
        numbers.mean() + 3 * numbers.std(),
    )
    places = {
        f"{{{letter}}}": f'"{column}"' for letter, column in zip("kgvuw", table.columns, strict=True)
    } | {"{t}": name}

    def ask(topic: str, text: str, answer: Any, sql: str, *fact: str) -> Question:
        for place, term in places.items():
            sql = sql.replace(place, term)
        return Question(name, topic, text, answer, sql, fact)

    def cell(at: int) -> Question:
        row = table.iloc[at]
        of = str(row[key])
        return ask("lookup", f"What is the {value} of key {of}?", None if pd.isna(row[value]) else float(row[value]),
                   f"SELECT {{v}} FROM {{t}} WHERE {{k}} = {of} LIMIT 1", "row", value, key, of)  # fmt: skip

    q = "quantile_cont({v}, 0.75) + 1.5 * (quantile_cont({v}, 0.75) - quantile_cont({v}, 0.25))"
    daily = table.groupby(table[when].dt.date)[value].sum()
    yield from (cell(2), cell(len(table) // 2 + 3), cell(len(table) // 3))
    yield ask("lookup", f"What is the {group} of the largest {value}?", str(table.loc[table[value].idxmax(), group]),
              "SELECT {g} FROM {t} ORDER BY {v} DESC NULLS LAST LIMIT 1")  # fmt: skip
    for fact, statistic, sql in (
        ("mean", numbers.mean(), "avg({v})"), ("median", numbers.median(), "median({v})"), ("sum", numbers.sum(), "sum({v})"),
        ("max", numbers.max(), "max({v})"), ("std", numbers.std(), "stddev({v})"), ("q3", high, "quantile_cont({v}, 0.75)"),
    ):  # fmt: skip
        yield ask(
            "aggregate",
            f"What is the {fact} of {value}?",
            float(statistic),
            f"SELECT {sql} FROM {{t}}",
            fact,
            value,
        )
    yield ask(
        "aggregate",
        f"What is the 90th percentile of {value}?",
        float(numbers.quantile(0.9)),
        "SELECT quantile_cont({v}, 0.9) FROM {t}",
    )
    yield ask("aggregate", f"How strongly are {value} and {units} correlated?", float(table[value].corr(table[units])),
              "SELECT corr({v}, {u}) FROM {t}", "corr", value, units)  # fmt: skip
    yield ask(
        "missing",
        f"How many {value} are missing?",
        int(table[value].isna().sum()),
        "SELECT count(*) - count({v}) FROM {t}",
        "null",
        value,
    )
    yield ask("missing", f"How many {value} of {rare} are missing?", int(table[table[group] == rare][value].isna().sum()),
              f"SELECT count(*) - count({{v}}) FROM {{t}} WHERE {{g}} = '{rare}'")  # fmt: skip
    yield ask(
        "missing",
        f"How many {units} are zero?",
        int((table[units] == 0).sum()),
        "SELECT count(*) FROM {t} WHERE {u} = 0",
        "zeros",
        units,
    )
    yield ask("duplicates", "How many rows are repeated?", int(table.duplicated().sum()),
              "SELECT count(*) - count(DISTINCT {k}) FROM {t}", "duplicate rows")  # fmt: skip
    yield ask("group", f"How often is the commonest {group}?", int(counts.iloc[0]),
              "SELECT count(*) FROM {t} GROUP BY {g} ORDER BY 1 DESC LIMIT 1", "top", group)  # fmt: skip
    yield ask(
        "group",
        f"How many different {group} are there?",
        len(counts),
        "SELECT count(DISTINCT {g}) FROM {t}",
        "distinct",
        group,
    )
    yield ask("group", f"Which {group} has the largest mean {value}?", str(means.idxmax()),
              "SELECT {g} FROM {t} GROUP BY {g} ORDER BY avg({v}) DESC LIMIT 1")  # fmt: skip
    yield ask("filter", f"How many rows are of {third}?", int(counts.iloc[2]), f"SELECT count(*) FROM {{t}} WHERE {{g}} = '{third}'",
              "count of", group, third)  # fmt: skip
    yield ask(
        "filter",
        f"How many {value} are above {limit}?",
        int((numbers > limit).sum()),
        f"SELECT count(*) FROM {{t}} WHERE {{v}} > {limit}",
    )
    yield ask(
        "filter",
        f"Mean {value} of {third}?",
        float(means[third]),
        f"SELECT avg({{v}}) FROM {{t}} WHERE {{g}} = '{third}'",
    )
    yield ask(
        "join",
        f"How many rows share their key with sales and have {value}?",
        int(table[table[key] < 1000 + ROWS][value].notna().sum()),
        "SELECT count(a.{v}) FROM {t} a JOIN sales b ON a.{k} = b.{k}",
    )
    yield ask(
        "time",
        f"When does {when} begin?",
        str(table[when].min())[:10],
        "SELECT strftime(min({w}), '%Y-%m-%d') FROM {t}",
        "min",
        when,
    )
    yield ask("time", f"On which day is the total of {value} the largest?", str(daily.idxmax()),
              "SELECT strftime({w}, '%Y-%m-%d') FROM {t} GROUP BY 1 ORDER BY sum({v}) DESC LIMIT 1")  # fmt: skip
    yield ask("outliers", f"How many {value} are outliers above (1.5 times the quartiles' distance)?", int((numbers > fence).sum()),
              f"SELECT count(*) FROM {{t}} WHERE {{v}} > (SELECT {q} FROM {{t}})")  # fmt: skip
    yield ask("outliers", f"How many {value} are more than 3 standard deviations above the mean?", int((numbers > far).sum()),
              "SELECT count(*) FROM {t} WHERE {v} > (SELECT avg({v}) + 3 * stddev({v}) FROM {t})")  # fmt: skip
