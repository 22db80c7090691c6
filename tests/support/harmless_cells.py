"""Cells to be judged before they run: what people write every day.

They are written over the names in `NAMES`; `tests/unit/test_effects.py` says what has to come out.
"""

from __future__ import annotations

import re

HARMLESS = [s.strip("\n") for s in re.split(r"\n---\n", r'''
df.head()
---
df.describe().T
---
df.info()
---
print(df.shape, len(df))
---
missing = df.isna().sum().sort_values(ascending=False)
missing
---
summer = df[df["month"].isin([6, 7, 8])]
summer.head()
---
monthly = df.groupby("month")["rain"].agg(["mean", "sum", "count"])
monthly
---
by_year = (df.assign(year=df["date"].dt.year)
             .groupby("year", as_index=False)
             .agg(total=("rain", "sum"), days=("rain", "size")))
---
clean = df.dropna(subset=["rain"]).copy()
clean["log_rain"] = np.log1p(clean["rain"])
---
wide = df.pivot_table(index="month", columns="city", values="rain", aggfunc="mean")
---
merged = df.merge(cities, on="city", how="left")
merged.shape
---
long = df.melt(id_vars=["city", "month"], value_vars=["rain"])
---
top = df.nlargest(5, "rain")[["city", "rain"]]
top
---
corr = df.select_dtypes("number").corr()
corr.round(2)
---
fig2, ax2 = plt.subplots(figsize=(8, 4))
ax2.plot(df["date"], df["rain"])
ax2.set_title("Rain")
ax2.set_xlabel("day")
plt.show()
---
plt.figure()
plt.hist(df["rain"], bins=30)
plt.title("Distribution")
plt.tight_layout()
plt.show()
---
sns.boxplot(data=df, x="city", y="rain")
plt.show()
---
g = sns.relplot(data=df, x="month", y="rain", hue="city", kind="line")
g.set_axis_labels("month", "rain")
---
axes = df["rain"].plot(kind="bar", title="Rain")
axes.set_ylabel("mm")
---
counts = df["city"].value_counts().reset_index()
counts.columns = ["city", "n"]
counts
---
import numpy as np
import pandas as pd
from collections import Counter
letters = Counter("hello world")
letters.most_common(3)
---
from datetime import datetime, timedelta
start = datetime(2024, 1, 1)
dates = [start + timedelta(days=i) for i in range(10)]
---
total = 0
for value in numbers:
    total += value
total
---
squares = {n: n ** 2 for n in numbers}
squares
---
result = []
for city, part in df.groupby("city"):
    result.append((city, part["rain"].mean()))
result
---
def rate(x, base=10):
    """Share of base."""
    return x / base

rates = df["rain"].apply(rate)
---
rolling = df.set_index("date")["rain"].rolling(7).mean()
rolling.tail()
---
weekly = df.set_index("date")["rain"].resample("W").sum()
---
q1, q3 = df["rain"].quantile([0.25, 0.75])
iqr = q3 - q1
outliers = df[(df["rain"] < q1 - 1.5 * iqr) | (df["rain"] > q3 + 1.5 * iqr)]
---
z = (df["rain"] - df["rain"].mean()) / df["rain"].std()
z.abs().max()
---
pd.crosstab(df["city"], df["month"])
---
df.duplicated().sum()
---
first = df.sort_values("date").iloc[0]
first
---
df.loc[df["rain"] > 10, ["date", "rain"]]
---
df.query("rain > 10 and month == 6")
---
text = ", ".join(sorted(set(df["city"])))
print(f"Cities: {text}")
---
matrix = np.arange(12).reshape(3, 4)
matrix @ matrix.T
---
rng = np.random.default_rng(0)
sample = rng.normal(size=100)
sample.mean(), sample.std()
---
x = np.linspace(0, 10, 200)
y = np.sin(x)
plt.plot(x, y)
---
fit = np.polyfit(df["month"], df["rain"], 1)
slope, intercept = fit
---
from scipy import stats
t, p = stats.ttest_ind(df["rain"], df["rain"] * 2)
print(round(p, 4))
---
from sklearn.linear_model import LinearRegression
model2 = LinearRegression().fit(df[["month"]], df["rain"])
model2.coef_
---
from sklearn.model_selection import train_test_split
train, test = train_test_split(df, test_size=0.2, random_state=0)
train.shape, test.shape
---
lines = [line.strip().lower() for line in "a\nb\nc".splitlines()]
lines
---
import re
found = re.findall(r"\d+", "a1b22")
---
import json
json.loads('{"a": 1}')
---
config["a"]
---
len(config), list(config)
---
pl_df.filter(pl.col("v") > 1).group_by("g").agg(pl.col("v").sum())
---
lazy = pl_df.lazy().with_columns(double=pl.col("v") * 2)
lazy.collect()
---
pl_df.describe()
---
try:
    ratio = 1 / len(df)
except ZeroDivisionError:
    ratio = float("nan")
ratio
---
if df["rain"].max() > 10:
    label = "wet"
else:
    label = "dry"
label
---
%time df["rain"].sum()
---
%matplotlib inline
df["rain"].hist()
---
%%time
slow = df.sort_values("rain")
---
heat = sns.heatmap(df.select_dtypes("number").corr(), annot=True)
heat.set_title("corr")
---
import plotly.express as px
chart = px.line(df, x="date", y="rain")
chart.update_layout(title="Rain")
chart
---
lookup = dict(zip(df["city"], df["rain"]))
lookup.get("Rome")
---
bins = pd.cut(df["rain"], bins=[0, 1, 5, 100], labels=["dry", "some", "wet"])
bins.value_counts()
---
dummies = pd.get_dummies(df["city"], prefix="c")
dummies.sum()
---
renamed = df.rename(columns={"rain": "mm"})
renamed.columns.tolist()
---
filled = df["rain"].fillna(df["rain"].median())
---
ranked = df["rain"].rank(ascending=False)
---
cumulative = df["rain"].cumsum()
cumulative.plot()
---
df["city"].str.lower().unique()
---
df["date"].dt.day_name().value_counts()
---
growth = df["rain"].pct_change().replace([np.inf, -np.inf], np.nan)
---
assert df["rain"].ge(0).all(), "negative rain"
---
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def norm(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5

Point(3, 4).norm()
---
from dataclasses import dataclass

@dataclass
class Row:
    name: str
    value: float = 0.0

rows = [Row(c, r) for c, r in zip(df["city"], df["rain"])]
---
from functools import lru_cache

@lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

fib(20)
---
best = max(numbers, key=lambda n: -n)
---
pairs = list(enumerate(numbers))
pairs[:2]
---
from itertools import combinations
list(combinations(numbers, 2))[:3]
---
matrix2 = [[0] * 3 for _ in range(3)]
matrix2[0][1] = 5
matrix2
---
report = "\n".join(f"{c}: {n}" for c, n in df["city"].value_counts().items())
print(report)
---
styled = df.head().style.format({"rain": "{:.1f}"})
styled
---
pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
---
table = pd.DataFrame(columns=["a"])
table.loc[0] = [1]
table
---
series = pd.Series([3, 1, 2], index=list("abc"))
series.sort_values().index.tolist()
---
df["rain"].astype(float).round(1).to_list()[:5]
---
df.iloc[:3, :2].to_dict("records")
---
df.memory_usage(deep=True).sum() / 1e6
---
pd.to_datetime("2024-01-31") + pd.offsets.MonthEnd(1)
---
np.where(df["rain"] > 5, "wet", "dry")
---
helper(df["rain"])
---
mean_of(df)
---
df.pipe(lambda d: d.assign(double=d["rain"] * 2)).head()
---
[type(v).__name__ for v in numbers]
---
print(*numbers, sep=", ")
---
fig3 = plt.figure(figsize=(6, 3))
ax3 = fig3.add_subplot(111)
ax3.bar(["a", "b"], [1, 2], color="tab:blue")
ax3.legend(["n"])
---
ax4 = df.groupby("city")["rain"].mean().plot.barh()
ax4.invert_yaxis()
---
years = sorted(df["date"].dt.year.unique())
first_year, *rest = years
---
match len(numbers):
    case 0:
        size = "none"
    case n if n > 2:
        size = "many"
    case _:
        size = "few"
size
---
with pd.option_context("display.max_rows", 5):
    print(df)
---
import statistics
statistics.median(numbers)
---
acc = df["rain"].expanding().mean()
acc.iloc[-1]
---
df.corrwith(df["rain"], numeric_only=True)
---
share = df["city"].value_counts(normalize=True).mul(100).round(1)
share
---
gaps = df["date"].sort_values().diff().value_counts()
gaps.head()
---
both = pd.concat([df.head(2), df.tail(2)], ignore_index=True)
---
stacked = wide0.stack().rename("v").reset_index()
'''.strip("\n"))]  # fmt: skip
