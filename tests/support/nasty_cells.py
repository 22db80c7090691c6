"""Cells to be judged before they run: what only looks like what people write every day, and changes, writes or hides something."""

from __future__ import annotations

import re

NASTY = [s.strip("\n") for s in re.split(r"\n---\n", r'''
df["new"] = 1
---
df.drop(columns="rain", inplace=True)
---
df.sort_values("rain", inplace=True)
---
df.columns = [c.upper() for c in df.columns]
---
df.loc[0, "rain"] = 0
---
df.iloc[0, 0] = 1
---
df.at[0, "rain"] = 9
---
del df["rain"]
---
del df
---
df = df.dropna()
---
alias = df
alias["x"] = 1
---
a, b = df, cities
b["x"] = 1
---
things = [df]
things[0]["x"] = 1
---
box = {"d": df}
box["d"].insert(0, "z", 1)
---
for frame in [df, cities]:
    frame["x"] = 1
---
(lambda d: d.pop("rain"))(df)
---
def change(d):
    d["x"] = 1
    return d
change(df)
---
def outer(d):
    def inner():
        d.drop(columns="rain", inplace=True)
    inner()
outer(df)
---
df.groupby("city").obj["x"] = 1
---
df.values[0, 0] = 5
---
df["rain"].values[:] = 0
---
v = array[2:5]
v[:] = 0
---
array.sort()
---
array += 1
---
np.copyto(array, 0)
---
np.add(array, 1, out=array)
---
array.T[0] = 1
---
np.random.shuffle(array)
---
numbers.append(4)
---
numbers += [4]
---
numbers[0] = 9
---
nested[0].append(1)
---
x = nested[1]
x.clear()
---
for inner in nested:
    inner.sort()
---
[inner.pop() for inner in nested]
---
config["a"] = 2
---
config.update(a=2)
---
config.setdefault("new", []).append(1)
---
config |= {"b": 1}
---
list(map(numbers.append, [1, 2]))
---
sorted([1, 2], key=numbers.append)
---
from operator import setitem
setitem(config, "a", 5)
---
next(stream)
---
for item in stream:
    print(item)
---
list(stream)
---
sum(stream)
---
thing.value = 5
---
thing.bump()
---
thing.prop
---
str(loud)
---
loud
---
loud + 1
---
model.fit(df[["month"]], df["rain"])
---
model.set_params(alpha=1)
---
ax.set_title("x")
---
ax.plot([1, 2])
---
fig.suptitle("x")
---
np.seterr(all="ignore")
---
pd.set_option("display.max_rows", 5)
---
pd.options.display.max_rows = 5
---
plt.rcParams["figure.dpi"] = 200
---
plt.style.use("ggplot")
---
sns.set_theme()
---
np.random.seed(0)
---
import warnings
warnings.filterwarnings("ignore")
---
print = len
---
pd.read_csv = len
---
np.mean = 5
---
helper = len
---
global_counter()
---
df.to_csv("out.csv")
---
df.to_csv("out.csv", index=False)
---
pd.read_csv("in.csv")
---
df.to_pickle("x.pkl")
---
pd.read_pickle("x.pkl")
---
plt.savefig("x.png")
---
fig.savefig("x.png")
---
open("x.txt", "w").write("hi")
---
with open("x.txt") as f:
    f.read()
---
o = open
o("x.txt", "w")
---
from pathlib import Path
Path("x").write_text("hi")
---
from pathlib import Path
Path("x").unlink()
---
from pathlib import Path
p = Path("x")
p.rename("y")
---
import os
os.remove("x")
---
from os import remove as drop
drop("x")
---
import os
os.environ["A"] = "1"
---
import shutil
shutil.rmtree("x")
---
import shutil as s
f = s.copy
f("a", "b")
---
np.save("x.npy", array)
---
np.load("x.npy", allow_pickle=True)
---
import json
json.dump({}, open("x.json", "w"))
---
import pickle
pickle.loads(b"cos\nsystem\n(S'ls'\ntR.")
---
import sqlite3
sqlite3.connect("x.db").execute("drop table t")
---
import duckdb
duckdb.sql("COPY (SELECT 1) TO 'x.csv'")
---
pl_df.write_parquet("x.parquet")
---
pl.scan_csv("x.csv").sink_parquet("y.parquet")
---
pl_df.insert_column(0, pl.Series("n", [1, 2]))
---
import requests
requests.get("https://example.org")
---
import urllib.request
urllib.request.urlopen("https://example.org").read()
---
pd.read_csv("https://example.org/x.csv")
---
import socket
socket.socket().connect(("example.org", 80))
---
sns.load_dataset("tips")
---
import subprocess
subprocess.run(["ls"])
---
import subprocess as sp
run = sp.check_output
run("ls")
---
import os
os.system("ls")
---
!ls
---
files = !ls
---
!pip install x
---
%pip install x
---
%cd ..
---
%run other.py
---
%env A=1
---
%%bash
ls
---
%%writefile x.py
a = 1
---
%reset -f
---
get_ipython().system("ls")
---
get_ipython().run_line_magic("pip", "install x")
---
exec("import os")
---
eval("df.pop('rain')")
---
getattr(df, "to_csv")("x.csv")
---
globals()["df"] = None
---
setattr(thing, "value", 1)
---
__import__("os").system("ls")
---
import importlib
importlib.import_module("os").system("ls")
---
().__class__.__base__.__subclasses__()
---
print.__self__.exec("1")
---
df.query("@helper(rain)")
---
df.eval("rain = 5", inplace=True)
---
df.apply(open)
---
df["city"].map(os_remove)
---
df.pipe(pd.DataFrame.to_csv, "x.csv")
---
list(map(open, ["x"]))
---
from functools import partial
partial(open, "x", "w")()
---
import functools
functools.reduce(lambda a, b: numbers.append(b), [1, 2])
---
@os_remove
def f():
    pass
---
class Evil:
    def __del__(self):
        open("x", "w")
Evil()
---
class Evil:
    def __add__(self, other):
        numbers.append(1)
Evil() + 1
---
class Evil(metaclass=type("M", (type,), {})):
    pass
---
import unknown_module_xyz
---
from unknown_package_xyz import tool
tool(df)
---
from unknown_package_xyz import *
---
lib_function(df)
---
writes_a_file(df)
---
hidden_write(df)
---
import threading
threading.Thread(target=numbers.clear).start()
---
import asyncio
asyncio.create_task(None)
---
import ctypes
ctypes.memset(0, 0, 1)
---
input("go on?")
---
exit()
---
quit()
---
import sys
sys.path.append("x")
---
import sys
sys.modules["os"].system("ls")
---
import sys
sys.stdout = None
---
import gc
gc.get_objects()[0].clear()
---
claude = 5
---
for numbers[0] in [7, 8]:
    pass
---
with suppress_and_write() as f:
    pass
---
[numbers := [1]]
---
def g():
    global numbers
    numbers = []
g()
---
import builtins
builtins.len = None
---
f"{numbers.append(1)}"
---
while numbers:
    numbers.pop()
---
lambda_list = [lambda: numbers.clear()]
lambda_list[0]()
---
callbacks = {"go": numbers.clear}
callbacks["go"]()
---
method = numbers.clear
method()
---
"{0.append}".format(numbers) and numbers.append(3)
---
import random
random.shuffle(numbers)
---
import heapq
heapq.heappush(numbers, 1)
---
not python at all
---
return 5
'''.strip("\n"))]  # fmt: skip
