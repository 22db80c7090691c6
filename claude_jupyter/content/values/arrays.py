"""Arrays (NumPy, and tensors of other libraries) and xarray's labeled arrays → shape, dtype and a few statistics.

Under `--rows none` an array is a table's numbers too: shape and dtype only. Arrays that are pictures are `content/images/convert.py`'s.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import guarded, libraries, mro, root_module, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, clip, text_attachment
from claude_jupyter.content.values.short import Redact, line, rounded

EXACT_CELLS: Final = 2_000_000
CORNER: Final = 6
TENSORS: Final = frozenset(
    {"torch", "tensorflow", "jax", "jaxlib", "cupy", "mlx", "sparse", "scipy", "zarr", "h5py", "dask"}
)
VARIABLES: Final = 60


def is_array(value: Any) -> bool:
    """Whether the value is an array or tensor, determined by its classes alone."""
    packages = libraries(value)
    if "numpy" in packages:
        return any(type_name(kind, short=True) == "ndarray" for kind in mro(value))
    if "xarray" in packages:
        return True
    return bool(packages & TENSORS) and _has_shape(value)


def of_objects(value: Any) -> bool:
    """Whether it is a NumPy array of Python objects, which may each be worth showing."""
    return is_array(value) and "numpy" in libraries(value) and value.dtype.kind == "O"


def is_picture(value: Any) -> bool:
    """Whether it is a uint8 array shaped (h, w, 3 or 4)."""
    if not is_array(value) or "numpy" not in libraries(value):
        return False
    return (
        value.ndim == 3 and value.shape[2] in (3, 4) and value.dtype.name == "uint8" and 0 not in value.shape
    )


def attach(value: Any, label: str, rules: Rules) -> Attachment | None:
    """The array's profile as text; None for what is not an array."""
    if not is_array(value):
        return None
    redactor = Redactor(rules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow in a mean and the like
        if "xarray" in libraries(value):
            lines, kind = _labeled(value, rules.row_limit != 0, redactor), "xarray"
        else:
            lines, kind = _array(value, rules.row_limit != 0, redactor), "array"
    withheld = rules.row_limit == 0
    if withheld:
        lines.append("values withheld (--rows none)")
    return text_attachment(
        "\n".join(lines),
        label,
        kind,
        rules,
        sent=_shape(value) + (", no values" if withheld else ""),
        rows=not withheld,
        redactor=redactor,
    )


def _has_shape(value: Any) -> bool:
    shape = guarded(lambda: value.shape).value
    dtype = guarded(lambda: value.dtype)
    return isinstance(shape, tuple | list) and not dtype.failure


def _shape(value: Any) -> str:
    shape = guarded(lambda: tuple(value.shape)).value
    if shape is None:
        return type_name(type(value), short=True)
    return " × ".join(f"{n:,}" if isinstance(n, int) else "?" for n in shape) or "scalar"


def _array(value: Any, values: bool, redact: Redact) -> list[str]:
    kind = f"{root_module(type(value))} {type_name(type(value), short=True)}"
    lines = [f"{kind}: shape {_shape(value)}, dtype {guarded(lambda: str(value.dtype)).value}"]
    if "numpy" not in libraries(value):
        device = guarded(lambda: str(value.device)).value
        if "torch" in libraries(value) and isinstance(device, str):
            lines.append(f"device {device}, requires_grad {guarded(lambda: value.requires_grad).value}")
        stored = guarded(lambda: value.nnz).value if "scipy" in libraries(value) else None
        if isinstance(stored, int):
            lines.append(f"{stored:,} values stored")
        return [*lines, *(_foreign(value) if values else [])]
    if value.dtype.names:
        lines.append("fields: " + ", ".join(map(str, value.dtype.names)))
    if values and value.size:
        lines.extend(_statistics(value))
        lines.append(_corner(value, redact))
    return lines


def _foreign(value: Any) -> list[str]:
    """A tensor's own repr, if it is small; nothing is computed or moved from its device otherwise."""
    size = guarded(lambda: math.prod(value.shape)).value
    if not isinstance(size, int) or size > 1000 or "dask" in libraries(value):
        return []
    text = guarded(lambda: repr(value)).value
    return [clip(text, 1500)] if isinstance(text, str) else []


def _statistics(value: Any) -> list[str]:
    import numpy as np

    if value.dtype.kind not in "biuf":
        return []
    some, basis = value, ""
    if value.size > EXACT_CELLS:
        rows = max(EXACT_CELLS // max(value.size // value.shape[0], 1), 1)
        some, basis = value[:rows], f" (from the first {rows:,} of {value.shape[0]:,})"
    flat = some.compressed() if isinstance(some, np.ma.MaskedArray) else np.asarray(some).reshape(-1)
    if flat.dtype.kind == "f":
        finite = flat[np.isfinite(flat)]
        nans = int(np.isnan(flat).sum())
        infinite = flat.size - finite.size - nans
        odd = "".join(f", {n:,} {word}" for n, word in ((nans, "NaN"), (infinite, "infinite")) if n)
    else:
        finite, odd = flat, ""
    if not finite.size:
        return [f"no finite value{odd}{basis}"]
    if finite.dtype.kind == "b":
        return [f"{int(finite.sum()):,} of {finite.size:,} true{basis}"]
    least, most = finite.min(), finite.max()
    spread = finite.astype("float64", copy=False)
    mean, deviation = float(spread.mean()), float(spread.std())
    return [
        f"min {line(least, 30)}, max {line(most, 30)}, mean {rounded(mean)}, std {rounded(deviation)}{odd}{basis}"
    ]


def _corner(value: Any, redact: Redact) -> str:
    """The whole array if it is small, else its first values."""
    if value.ndim == 0:
        return f"value: {line(value.item(), 200, redact=redact)}"
    corner = _plain(value)[tuple(slice(CORNER * (4 if value.ndim == 1 else 1)) for _ in range(value.ndim))]
    while corner.ndim > 2:
        corner = corner[0]
    rows = corner if corner.ndim == 2 else [corner]
    word = "values" if corner.size == value.size else "first values"
    return f"{word}:\n" + "\n".join(
        "  " + ", ".join(line(cell, 24, redact=redact) for cell in row) for row in rows
    )


def _plain(value: Any) -> Any:
    """A matrix or record array as an ordinary array; a masked one keeps its mask."""
    import numpy as np

    return value if isinstance(value, np.ma.MaskedArray) else np.asarray(value)


def _labeled(value: Any, values: bool, redact: Redact) -> list[str]:
    """An xarray Dataset or DataArray: dimensions, coordinates, variables; attributes with `values` only."""
    kind = type_name(type(value), short=True)
    sizes = ", ".join(f"{name}: {size:,}" for name, size in value.sizes.items())
    lines = [f"xarray {kind}, dimensions ({sizes})"]
    if kind == "DataArray" and value.name is not None:
        lines[0] += f", named {value.name}"
    if not hasattr(value, "coords"):
        return [*lines, f"dtype {value.dtype}"]
    lines.append("coordinates:")
    lines.extend(
        _variable(name, variable, values, redact) for name, variable in list(value.coords.items())[:VARIABLES]
    )
    if kind == "Dataset":
        lines.append("variables:")
        lines.extend(
            _variable(name, variable, values, redact)
            for name, variable in list(value.data_vars.items())[:VARIABLES]
        )
    elif kind == "DataArray":
        lines.append(_variable("values", value, values, redact))
    lines.extend(_attributes(value.attrs, values, redact))
    return lines


def _variable(name: Any, variable: Any, values: bool, redact: Redact) -> str:
    text = f"  {name} ({', '.join(map(str, variable.dims))}) {variable.dtype}"
    data = variable.variable._data if hasattr(variable, "variable") else None
    loaded = "numpy" in libraries(data) or type_name(type(data), short=True) == "PandasIndexingAdapter"
    if not loaded:
        return text + ", not loaded"
    if values and variable.size:
        array = variable.values
        if array.dtype.kind in "biuf":
            text += "".join(f": {words}" for words in _statistics(array))
        elif array.ndim == 1:
            text += f": {line(variable.values[0], 40, redact=redact)} … {line(variable.values[-1], 40, redact=redact)}"
    units = variable.attrs.get("units")
    return text + (f" [{clip(str(units), 40)}]" if values and units is not None else "")


def _attributes(attrs: Any, values: bool, redact: Redact) -> Sequence[str]:
    if not attrs:
        return []
    if not values:
        return ["attributes: " + ", ".join(map(str, list(attrs)[:20]))]
    return [
        "attributes:",
        *(f"  {name}: {line(value, 120, redact=redact)}" for name, value in list(attrs.items())[:20]),
    ]
