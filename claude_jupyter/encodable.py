"""Makes text encodable as UTF-8: file names, environment variables and cut emoji may not be."""

from __future__ import annotations

import re
from typing import Any

_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\ud[89a-f][0-9a-f]{2})+)")


def encodable(text: str) -> str:
    """The text with surrogate halves that belong together joined, and U+FFFD for each that stands alone."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def encodable_repr(text: str) -> str:
    """The same for what `repr` wrote, where such halves are escapes: `'caf\\udce9'`."""
    if "\\ud" not in text:
        return text
    return _ESCAPED.sub(lambda match: match[1] + encodable(match[2].encode().decode("unicode_escape")), text)


def encodable_all(value: Any) -> Any:
    """The same for every string of a JSON value, keys included; all else as it is."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable_all(key): encodable_all(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encodable_all(item) for item in value]
    if type(value) is tuple:
        return tuple(encodable_all(item) for item in value)
    return value
