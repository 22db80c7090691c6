"""Converts types to JSON schemas that the service accepts, and answers to values of these types, with Pydantic and the SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from claude_jupyter.encodable import encodable_all
from claude_jupyter.errors import ReturnsError, UsageError

_TABLE: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {
            "type": "array",
            "items": {
                "type": "array",
                "items": {
                    "anyOf": [
                        {"type": "string"},
                        {"type": "number"},
                        {"type": "boolean"},
                        {"type": "null"},
                    ]
                },
            },
        },
    },
    "required": ["columns", "rows"],
    "additionalProperties": False,
}


_NO_SCHEMA = ("Schema must have a 'type'", "Unable to generate pydantic-core schema")
_ANNOTATIONS = ("typing", "typing_extensions", "types", "annotationlib")


def is_dataframe(kind: Any) -> bool:
    """Whether a frame is asked for: "dataframe", or a library's class of that name."""
    return (
        kind.__name__ == "DataFrame" if isinstance(kind, type) else type(kind) is str and kind == "dataframe"
    )


def _is_type(kind: Any) -> bool:
    """Whether it is a class or an annotation, and no value: those may be anything, down to a frame that cannot be compared."""
    return isinstance(kind, type) or type(kind).__module__ in _ANNOTATIONS


def _named(kind: Any) -> str:
    return repr(kind) if hasattr(kind, "__args__") else getattr(kind, "__name__", repr(kind))


class Returns:
    """A type that an answer is to have.

    Parameters
    ----------
    kind
        A Pydantic model, dataclass, TypedDict, `list[…]`, `Literal[…]`, any annotation Pydantic knows, or `"dataframe"`.

    Attributes
    ----------
    schema
        Its JSON schema as `output_config.format` takes it: always an object.

    Raises
    ------
    UsageError
        For a type without a schema.
    """

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self._table = is_dataframe(kind)
        if self._table:
            self.schema: Mapping[str, Any] = _TABLE
            return
        if not _is_type(kind):
            description = repr(kind) if isinstance(kind, str) else f"a value of type {type(kind).__name__}"
            raise UsageError(f'returns must be a type or "dataframe", not {description}')
        self._adapt()

    def _adapt(self) -> None:
        import anthropic
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(known_type(self.kind))
            schema = anthropic.transform_schema(self._adapter.json_schema())
        except (PydanticUserError, TypeError, ValueError, NameError) as error:
            problem = " ".join(str(error).split())
            if problem.startswith(_NO_SCHEMA):
                problem = "it does not say what it contains. Use a Pydantic model, a dataclass, list[str], Literal[…] or dataframe."
            raise UsageError(
                f"{_named(self.kind)} cannot be used as a return type: {problem.partition(' For further information')[0][:200]}"
            ) from None
        if problem := _problem(schema):
            raise UsageError(f"{_named(self.kind)} cannot be used as a return type: {problem}")
        # The service takes an object at the top; anything else travels in one with the key "value".
        self._wrapped = schema.get("type") != "object"
        if self._wrapped:
            definitions = schema.pop("$defs", None)
            schema = {
                "type": "object",
                "properties": {"value": schema},
                "required": ["value"],
                "additionalProperties": False,
                **({"$defs": definitions} if definitions else {}),
            }
        self.schema = schema

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of an object's fields; empty for a table and for what is not an object by itself."""
        return () if self._table or self._wrapped else tuple(self.schema.get("properties") or ())

    def value(self, text: str) -> Any:
        """The value in an answer's text.

        Raises
        ------
        ReturnsError
            Saying what came and why it does not fit.
        """
        try:
            data = encodable_all(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ReturnsError(f"The answer is not JSON ({error}): {_short(text)}") from None
        return self._frame(data) if self._table else self._checked(data)

    def _checked(self, data: Any) -> Any:
        from pydantic import ValidationError

        if self._wrapped:
            if not isinstance(data, dict) or "value" not in data:
                raise ReturnsError(f"The answer has no value: {_short(json.dumps(data))}")
            data = data["value"]
        try:
            # As JSON: a strict model takes a date's text, an enum's value, a tuple's list only from there.
            return self._adapter.validate_json(json.dumps(data))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"]) or "the answer"
            raise ReturnsError(
                f"The answer does not match the type: {where}: {first['msg']} ({_short(json.dumps(data))})"
            ) from None
        except Exception as error:  # of the type's own code
            reason = f"{type(error).__name__}: {_short(str(error))}"
            raise ReturnsError(
                f"The answer does not match the type: {reason} ({_short(json.dumps(data))})"
            ) from None

    def _frame(self, data: Any) -> Any:
        table: dict[str, Any] = data if isinstance(data, dict) else {}
        columns, rows = table.get("columns"), table.get("rows")
        if not isinstance(columns, list) or not _are_lists(rows):
            raise ReturnsError(f"The answer is not a table: {_short(json.dumps(data))}")
        wrong = next((i for i, r in enumerate(rows) if len(r) != len(columns)), None)
        if wrong is not None:
            raise ReturnsError(
                f"The answer is not a table: row {wrong + 1} has {len(rows[wrong])} of {len(columns)} columns."
            )
        return frame_of(columns, rows)


def _are_lists(rows: Any) -> TypeGuard[list[list[Any]]]:
    return isinstance(rows, list) and all(isinstance(row, list) for row in rows)


def _problem(schema: Mapping[str, Any]) -> str | None:
    """What the service cannot fill: types within themselves, and objects whose fields have no names."""
    definitions = schema.get("$defs") or {}

    def walk(value: Any, within: tuple[str, ...]) -> str | None:
        if isinstance(value, list):
            return next((p for v in value if (p := walk(v, within))), None)
        if not isinstance(value, Mapping):
            return None
        if (name := str(value.get("$ref", "")).rpartition("/")[2]) in definitions:
            if name in within:
                return f"{name} contains itself, and the service does not accept recursive types. Define a model for each level instead."
            return walk(definitions[name], (*within, name))
        if value.get("type") == "object" and not value.get("properties"):
            return "the keys of a dict are not known in advance, and the service only fills named fields. Use a model, or a list of pairs."
        return next((p for k, v in value.items() if k != "$defs" and (p := walk(v, within))), None)

    return walk(schema, ())


def known_type(kind: Any) -> Any:
    """The type; before Python 3.12 Pydantic takes no TypedDict of `typing` (docs.pydantic.dev, "TypedDict")."""
    import sys
    import typing

    import typing_extensions

    if sys.version_info >= (3, 12):
        return kind
    if args := typing.get_args(kind):
        inner = tuple(known_type(a) for a in args) if typing.get_origin(kind) is not typing.Literal else args
        return kind if inner == args else _with_arguments(kind, inner)
    if not typing.is_typeddict(kind):
        return kind
    fields = {n: known_type(k) for n, k in typing.get_type_hints(kind, include_extras=True).items()}
    make: Any = typing_extensions.TypedDict
    return make(kind.__name__, fields, total=kind.__total__)


def _with_arguments(kind: Any, inner: Any) -> Any:
    import types
    import typing

    origin: Any = typing.get_origin(kind)
    if origin is types.UnionType:
        origin = typing.Union
    if origin is typing.Annotated:
        return typing.Annotated[(inner[0], *kind.__metadata__)]
    return origin[inner if len(inner) > 1 else inner[0]]


def frame_of(columns: list[str], rows: list[list[Any]]) -> Any:
    """A dataframe of the library that is loaded: pandas, else Polars.

    Raises
    ------
    ReturnsError
        If neither is installed.
    """
    import sys

    if "polars" in sys.modules and "pandas" not in sys.modules:
        import polars

        return polars.DataFrame(rows, schema=columns, orient="row", strict=False)
    try:
        import pandas
    except ImportError:
        raise ReturnsError("A dataframe needs pandas or Polars: pip install pandas.") from None
    return pandas.DataFrame(rows, columns=columns)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else f"{flat[:160]} …"
