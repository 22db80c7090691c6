"""Text that is shaped like a key, whoever's it is: where it stands, and what to call it. Never what it is.

Shapes that need a prefix are told by it; what only looks random (hashes, UUIDs, base64) is left alone. Every pattern begins with
literal text and is tried only where that occurs, so that 5 MB without keys cost a few substring searches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

Found = tuple[int, int, str]
"""Start and end of what must not be seen, and its name."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of key.

    Attributes
    ----------
    name
        As in `[redacted name]`.
    anchors
        Literal texts of which one must occur.
    pattern
        Matches the key, or has it as group `key`.
    sure
        A last check of the matched key.
    """

    name: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    sure: Callable[[str], bool] = lambda key: True


def mixed(text: str) -> bool:
    """Whether letters and digits are mixed."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


def random_looking(text: str, length: int = 12) -> bool:
    """Whether a part of it, as `-_.:/` divide it, is long, mixes letters and digits, and is no hash or number."""
    return any(
        len(part) >= length and mixed(part) and not _HEX.fullmatch(part)
        for part in re.split(r"[-_.:/@+,;=]", text)
    )


_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+|0x[0-9a-fA-F]+")
_PLACEHOLDER: Final = re.compile(
    r"(?i)your|example|placeholder|changeme|dummy|<|\.\.\.|…|\$\{?\w|xxxx|\*\*\*|redacted|%\("
)


def is_placeholder(text: str) -> bool:
    """Whether a text stands where a key would, and is none: `your-key`, `sk-ant-...`, `${KEY}`."""
    return _PLACEHOLDER.search(text) is not None


def _shape(name: str, anchors: str, pattern: str, sure: Callable[[str], bool] = lambda key: True) -> Shape:
    return Shape(name, tuple(anchors.split("|")), re.compile(pattern), sure)


def _prefixed(name: str, prefix: str, rest: str, sure: Callable[[str], bool] = lambda key: True) -> Shape:
    """A key that begins with `prefix`; the look-behind stands after it, so that the search can jump to the literal."""
    return _shape(
        name,
        prefix,
        rf"{re.escape(prefix)}(?<![A-Za-z0-9_+/]{re.escape(prefix)}){rest}(?![A-Za-z0-9_+/])",
        sure,
    )


SHAPES: Final[tuple[Shape, ...]] = (
    _prefixed("anthropic-key", "sk-ant-", r"[\w-]{6,}+", lambda key: not is_placeholder(key)),
    _prefixed("api-key", "sk-", r"[\w-]{20,}+", lambda key: random_looking(key, 16)),
    *(_prefixed("stripe-key", p, r"[0-9A-Za-z]{16,}+") for p in ("sk_live_", "sk_test_", "rk_live_", "rk_test_")),
    *(_prefixed("aws-key-id", p, r"[0-9A-Z]{16}") for p in ("AKIA", "ASIA")),
    *(_prefixed("github-token", p, r"[A-Za-z0-9]{20,}+") for p in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    _prefixed("github-token", "github_pat_", r"\w{20,}+"),
    _prefixed("gitlab-token", "glpat-", r"[\w-]{20,}+"),
    *(_prefixed("slack-token", f"xox{kind}-", r"[A-Za-z0-9-]{10,}+") for kind in "abeoprs"),
    _prefixed("google-key", "AIza", r"[0-9A-Za-z_-]{35}"),
    _prefixed("google-token", "ya29.", r"[\w-]{20,}+"),
    _prefixed("huggingface-token", "hf_", r"[A-Za-z0-9]{30,}+"),
    _prefixed("npm-token", "npm_", r"[A-Za-z0-9]{36}"),
    _prefixed("pypi-token", "pypi-AgE", r"[\w-]{50,}+"),
    _prefixed("sendgrid-key", "SG.", r"[\w-]{16,}+\.[\w-]{16,}+"),
    _prefixed("jwt", "eyJ", r"[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]*+"),
    _shape("bearer-token", "earer", r"earer[ \t]{1,4}(?P<key>[\w.~+/-]{16,}+=*+)", mixed),
    _shape("basic-auth", "asic ", r"asic[ \t]{1,4}(?P<key>[A-Za-z0-9+/]{15,}+=*+)", mixed),
    _shape("password", "://", r"://[^\s/:@\"'<>]{0,64}:(?P<key>[^\s/@\"'<>]{1,256})@"),
)  # fmt: skip

_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_BASE64_LINES: Final = re.compile(r"(?:(?:\s|\\n)*+[A-Za-z0-9+/=]{40,}+)*+")
_NAMED: Final = re.compile(
    r"(?:assword|ASSWORD|asswd|ASSWD|ecret|ECRET|oken|OKEN|[Kk]ey|KEY)"
    r"(?:[\"']?\]?[ \t]{0,4}(?::|:?=)[ \t]{0,4}[\"'](?P<quoted>[^\"'\s]{12,200})[\"']"
    r"|[ \t]{0,4}[:=][ \t]{0,4}(?P<bare>[\w+/.~!@%^&*-]{12,200}=*)[ \t\r]*$)",
    re.MULTILINE,
)
"""Quoted as in code and JSON, or bare to the end of the line as in `.env`, INI and YAML files."""
_NAME_BEFORE: Final = re.compile(
    r"(?i)(?:password|passwd|secret|secret_?key|api_?-?key|access_?-?key|account_?key|private_?key|auth_?-?token|access_?token|api_?token|(?<![A-Za-z])token|_token)$"
)


def keys(text: str) -> Iterator[Found]:
    """Everything shaped like a key, in no order; may overlap."""
    for shape in SHAPES:
        if not any(anchor in text for anchor in shape.anchors):
            continue
        for match in shape.pattern.finditer(text):
            start, end = match.span("key") if "key" in shape.pattern.groupindex else match.span()
            if shape.sure(text[start:end]):
                yield start, end, shape.name
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    yield from _named(text)


def _private_keys(text: str) -> Iterator[Found]:
    at = 0
    closed = True
    while begin := _BEGIN.search(text, at):
        end = _END.search(text, begin.end()) if closed else None
        closed = end is not None
        at = end.end() if end else (_BASE64_LINES.match(text, begin.end()) or begin).end()
        yield begin.start(), at, "private-key"


def _named(text: str) -> Iterator[Found]:
    """What is given to something called password, secret, token or key: `api_key = "…"`, `{"token": "…"}`, `TOKEN=…`."""
    for match in _NAMED.finditer(text):
        word = re.match(r"\w+", match[0])
        before = text[max(0, match.start() - 20) : match.start()] + (word[0] if word else "")
        kind = "quoted" if match["quoted"] else "bare"
        key = match[kind]
        if kind == "bare" and not _looks_chosen_at_random(key):
            continue
        if _NAME_BEFORE.search(before) and mixed(key) and not is_placeholder(key) and "[redacted" not in key:
            start, end = match.span(kind)
            yield start, end, "secret"


def _looks_chosen_at_random(text: str) -> bool:
    """Whether it is no name in code (`settings.ApiKey2Default3`, `Tokenizer2`): digits in several places, letters of both cases."""
    if "." in text and all(part.isidentifier() for part in text.split(".")):
        return False
    digits = len(re.findall(r"[0-9]+", text))
    return digits > 1 and any(c.isupper() for c in text) and any(c.islower() for c in text)
