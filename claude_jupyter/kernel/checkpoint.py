"""A checkpoint of the namespace: what `claude.undo()` restores after Claude has worked in cells.

Bindings are kept by reference. What can change in place is kept by the cheapest copy that is safe: pandas by copy on write,
Polars and Arrow by sharing, plain containers and arrays by a copy, instances of classes written in Python by their attributes.
Restoring puts the old content into the *same* objects, so that every other reference to them sees it too.
"""

from __future__ import annotations

import array
import collections
import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from claude_jupyter.kernel.namespace import names

LIMIT = 256 * 1024 * 1024
"""Bytes of arrays and containers that one checkpoint copies."""
_MOST_ITEMS = 200_000
"""Items of containers that one checkpoint walks through."""
_IMMUTABLE = (
    int, float, complex, str, bytes, bool, type(None), type(Ellipsis), range, slice, type, types.FunctionType,
    types.BuiltinFunctionType, types.ModuleType, types.MethodType, property, functools.partial, types.MappingProxyType,
)  # fmt: skip
_IMMUTABLE_MODULES = (
    "datetime",
    "decimal",
    "fractions",
    "pathlib",
    "uuid",
    "zoneinfo",
    "re",
    "ipaddress",
    "enum",
    "typing",
)

Restore = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Saved:
    """One object as it was.

    Attributes
    ----------
    value
        The object itself, which keeps its identity.
    restore
        Puts its old content back into it.
    same
        Whether it still has that content; True only where that is certain.
    """

    value: Any
    restore: Restore
    same: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the user's variables since a checkpoint: names, each with a short description before and after.

    Attributes
    ----------
    rebound
        Names among `changed` that stand for another object now.
    """

    added: Mapping[str, str] = field(default_factory=dict[str, str])
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    removed: Mapping[str, str] = field(default_factory=dict[str, str])
    rebound: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        parts = [f"new: {', '.join(f'{n} ({d})' for n, d in self.added.items())}"] if self.added else []
        if self.changed:
            pairs = (f"{n} ({a})" if a == b else f"{n} ({a} → {b})" for n, (a, b) in self.changed.items())
            parts.append(f"changed: {', '.join(pairs)}")
        if self.removed:
            parts.append(f"removed: {', '.join(self.removed)}")
        return " · ".join(parts) or "nothing changed"

    def to_json(self) -> dict[str, Any]:
        """As in a step of the answer JSON."""
        return {
            "added": dict(self.added),
            "changed": {name: list(pair) for name, pair in self.changed.items()},
            "removed": list(self.removed),
        }


class Checkpoint:
    """The user's variables as they are now.

    Parameters
    ----------
    namespace
        Where they live.
    limit
        Bytes that may be copied; what does not fit cannot be undone.
    previous
        An earlier checkpoint: what it kept and is still as it was is not copied again.

    Attributes
    ----------
    unprotected
        Names whose object cannot be brought back if it is changed in place.
    """

    def __init__(
        self,
        namespace: Mapping[str, Any],
        limit: int = LIMIT,
        previous: Checkpoint | None = None,
    ) -> None:
        self._bindings = {name: namespace[name] for name in names(namespace)}
        self._about = {name: described(value) for name, value in self._bindings.items()}
        keeper = _Keeper(limit, previous._saved if previous is not None else {})
        self._reached: dict[str, set[int]] = {}
        unprotected: list[str] = []
        for name, value in self._bindings.items():
            reached, whole = keeper.keep(value)
            self._reached[name] = reached
            if not whole:
                unprotected.append(name)
        self.unprotected = tuple(unprotected)
        self._saved = keeper.saved
        self._random = _random_states()

    def changes(self, namespace: Mapping[str, Any]) -> Changes:
        """What is different now."""
        stale = {key for key, saved in self._saved.items() if not _certainly(saved.same)}
        now = {name: namespace[name] for name in names(namespace)}
        added = {name: described(value) for name, value in now.items() if name not in self._bindings}
        changed = {
            name: (self._about[name], described(value))
            for name, value in now.items()
            if name in self._bindings
            and (value is not self._bindings[name] or self._reached[name] & stale)
            and not (value is not self._bindings[name] and _equal_atoms(value, self._bindings[name]))
        }
        removed = {name: about for name, about in self._about.items() if name not in now}
        rebound = frozenset(name for name in changed if now[name] is not self._bindings[name])
        return Changes(added, changed, removed, rebound)

    def restore(self, namespace: MutableMapping[str, Any]) -> tuple[str, ...]:
        """Bring the variables back; names that were not there are removed.

        Returns
        -------
        Names that were changed and could not be brought back in full.
        """
        lost: set[int] = set()
        for key, saved in self._saved.items():
            try:
                if not saved.same():
                    saved.restore()
            except Exception:
                lost.add(key)
        for name in names(namespace):
            if name not in self._bindings:
                del namespace[name]
        for name, value in self._bindings.items():
            if name not in namespace or namespace[name] is not value:
                namespace[name] = value
        for put_back in self._random:
            put_back()
        return tuple(name for name, reached in self._reached.items() if reached & lost)


def described(value: Any) -> str:
    """A value in a few words, without its content: `DataFrame 1,460 × 6`, `list of 3`, `int`."""
    kind = type(value).__name__
    try:
        shape = None if isinstance(value, type) else getattr(value, "shape", None)
        if isinstance(shape, tuple) and 0 < len(shape) <= 4 and all(isinstance(n, int) for n in shape):
            return f"{kind} {' × '.join(f'{n:,}' for n in shape)}"
        if isinstance(value, list | tuple | set | frozenset | dict | collections.deque):
            return f"{kind} of {len(value):,}"
    except Exception:  # a property of a foreign class
        return kind
    return kind


def _equal_atoms(a: Any, b: Any) -> bool:
    return isinstance(a, int | float | str | bytes | None) and type(a) is type(b) and a == b


def _certainly(same: Callable[[], bool]) -> bool:
    try:
        return same()
    except Exception:
        return False


class _Keeper:
    """Walks through values and keeps each mutable object in them once."""

    def __init__(self, limit: int, before: Mapping[int, Saved]) -> None:
        self.remaining = limit
        self._before = before
        self.items = _MOST_ITEMS
        self.saved: dict[int, Saved] = {}
        self._whole: dict[int, bool] = {}

    def keep(self, value: Any) -> tuple[set[int], bool]:
        """Keep everything that a value holds; the keys of the objects, and whether all of it can be brought back."""
        reached: set[int] = set()
        whole = True
        waiting = [value]
        while waiting:
            one = waiting.pop()
            key = id(one)
            if key in reached or _is_immutable(one):
                continue
            reached.add(key)
            if key not in self._whole:
                self._whole[key] = self._keep_one(key, one)
            whole &= self._whole[key]
            if self._whole[key]:
                waiting.extend(_parts(one))
        return reached, whole

    def _keep_one(self, key: int, value: Any) -> bool:
        old = self._before.get(key)
        if old is not None and old.value is value and _certainly(old.same):
            self.saved[key] = old
            return True
        how = _keeper_of(value)
        if how is None:
            return False
        size, save = how
        self.remaining -= size
        if self.remaining < 0:
            self.remaining += size
            return False
        if isinstance(value, list | dict | set | tuple | collections.deque):
            self.items -= len(value)
            if self.items < 0:
                return False
        if save is not None:
            try:
                self.saved[key] = save(value)
            except Exception:
                return False
        return True


def _is_immutable(value: Any) -> bool:
    if isinstance(value, _IMMUTABLE):
        return True
    module = type(value).__module__
    if module.partition(".")[0] in _IMMUTABLE_MODULES:
        return True
    if module == "numpy":
        return not hasattr(value, "__setitem__") and type(value).__name__ != "RandomState"
    return type(value).__name__ in (
        "Timestamp",
        "Timedelta",
        "Period",
        "Interval",
        "NaTType",
        "NAType",
        "Expr",
        "Schema",
    )


def _parts(value: Any) -> Iterator[Any]:
    """What an object holds that can change by itself."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset | collections.deque):
        yield from value
    elif _is_array(value):
        if value.dtype.hasobject:
            yield from value.ravel().tolist()
    elif _has_attributes(value):
        yield from vars(value).values()


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ == "ndarray"


def _has_attributes(value: Any) -> bool:
    """Whether an object is an instance of classes written in Python, so that its attributes are all of it."""
    return all(_is_python_class(klass) for klass in type(value).__mro__[:-1])


@functools.cache
def _is_python_class(klass: type) -> bool:
    top = klass.__module__.partition(".")[0]
    if top not in ("__main__", "sklearn", "abc") and not _is_user_module(klass.__module__):
        return False
    return (klass.__flags__ & (1 << 9) != 0 and "__slots__" not in vars(klass)) or klass.__module__ == "abc"


def _is_user_module(module: str) -> bool:
    """Whether a class comes from a file of the user's rather than from an installed package."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return bool(file) and "site-packages" not in file and not file.startswith(sys.base_prefix)


Save = Callable[[Any], Saved]


def _keeper_of(value: Any) -> tuple[int, Save | None] | None:
    """How an object is kept, with the bytes that its copy costs; None if it cannot be brought back."""
    kind, module = type(value), type(value).__module__.partition(".")[0]
    if kind in (tuple, frozenset):
        return 0, None
    if kind in _CONTAINERS:
        return sys.getsizeof(value), _CONTAINERS[kind]
    if _is_array(value):
        return (value.nbytes, _save_array) if value.flags.owndata or value.base is not None else None
    if module == "pandas":
        return _pandas_keeper(value)
    if module == "polars":
        return (0, _save_polars) if kind.__name__ in ("DataFrame", "Series") else (0, None)
    if module == "pyarrow":
        return (
            (0, None)
            if kind.__name__ in ("Table", "ChunkedArray", "RecordBatch", "Schema") or "Array" in kind.__name__
            else None
        )
    if _has_attributes(value):
        return sys.getsizeof(vars(value)), _save_attributes
    return None


# -- containers -----------------------------------------------------------------------------------------------------------


def _save_list(value: Any) -> Saved:
    before = list(value)

    def restore() -> None:
        value[:] = before

    return Saved(value, restore, lambda: len(value) == len(before) and all(map(_is, value, before)))


def _save_dict(value: Any) -> Saved:
    before = dict(value)

    def restore() -> None:
        value.clear()
        value.update(before)

    def same() -> bool:
        return len(value) == len(before) and all(
            k is j and v is w for (k, v), (j, w) in zip(value.items(), before.items(), strict=True)
        )

    return Saved(value, restore, same)


def _save_set(value: Any) -> Saved:
    before = set(value)

    def restore() -> None:
        value.clear()
        value.update(before)

    return Saved(value, restore, lambda: value == before)


def _save_deque(value: Any) -> Saved:
    before = list(value)

    def restore() -> None:
        value.clear()
        value.extend(before)

    return Saved(value, restore, lambda: len(value) == len(before) and all(map(_is, value, before)))


def _save_bytes(value: Any) -> Saved:
    before = value[:]

    def restore() -> None:
        value[:] = before

    return Saved(value, restore, lambda: value == before)


def _is(a: Any, b: Any) -> bool:
    return a is b


_CONTAINERS: Mapping[type, Save] = {
    list: _save_list,
    dict: _save_dict,
    collections.OrderedDict: _save_dict,
    collections.defaultdict: _save_dict,
    collections.Counter: _save_dict,
    set: _save_set,
    collections.deque: _save_deque,
    bytearray: _save_bytes,
    array.array: _save_bytes,
}


def _save_attributes(value: Any) -> Saved:
    attributes, klass = vars(value), type(value)
    inner = _save_dict(attributes)

    def restore() -> None:
        if type(value) is not klass:
            value.__class__ = klass
        inner.restore()

    return Saved(value, restore, lambda: type(value) is klass and inner.same())


# -- arrays and frames ----------------------------------------------------------------------------------------------------


def _save_array(value: Any) -> Saved:
    before = value.copy()

    def restore() -> None:
        if value.shape != before.shape or value.dtype != before.dtype:
            if value.dtype != before.dtype:
                value.dtype = before.dtype
            if value.size != before.size:
                value.resize(before.shape, refcheck=False)
            value.shape = before.shape
        writable = value.flags.writeable
        if not writable:
            value.flags.writeable = True
        value[...] = before
        value.flags.writeable = writable

    def same() -> bool:
        if value.shape != before.shape or value.dtype != before.dtype:
            return False
        return value.tobytes() == before.tobytes()

    return Saved(value, restore, same)


def _pandas_keeper(value: Any) -> tuple[int, Save | None] | None:
    kind = type(value).__name__
    if kind in ("DataFrame", "Series"):
        if _copies_on_write():
            return 0, _save_pandas
        size = value.memory_usage(index=False)
        return int(size.sum() if kind == "DataFrame" else size), _save_pandas
    if "Index" in kind or kind.endswith(("Categorical", "GroupBy", "Array")):
        return 0, None
    return None


def _copies_on_write() -> bool:
    pandas = sys.modules["pandas"]
    if int(pandas.__version__.partition(".")[0]) >= 3:
        return True
    try:
        return pandas.get_option("mode.copy_on_write") is True
    except Exception:  # pandas before 2
        return False


def _save_pandas(value: Any) -> Saved:
    before = value.copy(deep=not _copies_on_write())
    attrs, flags = dict(value.attrs), value.flags.allows_duplicate_labels
    name = getattr(value, "name", None)
    blocks = _blocks(value)

    def restore() -> None:
        fresh = before.copy(deep=not _copies_on_write())
        value._mgr = fresh._mgr
        if hasattr(value, "_clear_item_cache"):
            value._clear_item_cache()
        value.attrs = dict(attrs)
        value.flags.allows_duplicate_labels = flags
        if before.ndim == 1:
            value.name = name

    def same() -> bool:
        if (
            value.attrs != attrs
            or value.flags.allows_duplicate_labels != flags
            or getattr(value, "name", None) != name
        ):
            return False
        if any(not a.identical(b) for a, b in zip(value.axes, before.axes, strict=True)):
            return False
        now = _blocks(value)
        if _copies_on_write() and len(now) == len(blocks) and all(map(_same_block, now, blocks)):
            return True
        return (
            value.shape == before.shape
            and value.size <= 2_000_000
            and bool(value.equals(before))
            and _dtypes(value) == _dtypes(before)
        )

    return Saved(value, restore, same)


def _dtypes(value: Any) -> list[Any]:
    return list(value.dtypes) if value.ndim == 2 else [value.dtype]


def _blocks(value: Any) -> list[tuple[Any, list[int]]]:
    return [(block.values, block.mgr_locs.as_array.tolist()) for block in value._mgr.blocks]


def _same_block(now: tuple[Any, Any], before: tuple[Any, Any]) -> bool:
    """Whether two blocks are the same memory at the same place: under copy on write a change never writes into shared memory."""
    a, b = now[0], before[0]
    if now[1] != before[1] or type(a) is not type(b) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a is b or _address(a) == _address(b) is not None


def _address(values: Any) -> int | None:
    for name in ("_ndarray", "_data", "_codes"):
        inner = getattr(values, name, None)
        if inner is not None and hasattr(inner, "__array_interface__"):
            values = inner
            break
    interface = getattr(values, "__array_interface__", None)
    return interface["data"][0] if interface is not None else None


def _save_polars(value: Any) -> Saved:
    before = value.clone()
    slot = "_df" if type(value).__name__ == "DataFrame" else "_s"

    def restore() -> None:
        setattr(value, slot, getattr(before.clone(), slot))

    def same() -> bool:
        if slot == "_s":
            return value.name == before.name and value.dtype == before.dtype and bool(value.equals(before))
        return value.schema == before.schema and bool(value.equals(before))

    return Saved(value, restore, same)


def _random_states() -> list[Restore]:
    """The state of the random generators that modules share, so that undone code gives the same numbers again."""
    states: list[Restore] = []
    if (plain := sys.modules.get("random")) is not None:
        states.append(functools.partial(plain.setstate, plain.getstate()))
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        states.append(functools.partial(numpy.set_state, numpy.get_state()))
    return states
