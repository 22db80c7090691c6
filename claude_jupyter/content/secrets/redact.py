"""Secrets in what is sent: values of environment variables, and text shaped like a key, become `[redacted NAME]`.

Names are told, values never: no message, repr or attribute of anything here shows one. Whether to redact at all is the setting
`redact`; what shapes there are is `key_shapes.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from claude_jupyter.content.secrets.key_shapes import is_placeholder, keys, mixed, random_looking
from claude_jupyter.encodable import encodable


@dataclass(frozen=True, slots=True)
class SecretRemover:
    """Text → text without secrets, and the names of what was taken out (each once, in order of appearance)."""

    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    enabled: bool = True

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None, enabled: bool = True
    ) -> SecretRemover:
        """For the environment as it is now; the same object again while that does not change."""
        if not enabled:
            return cls(enabled=False)
        return _for_environment(frozenset((os.environ if environ is None else environ).items()))

    def __call__(self, text: str) -> tuple[str, tuple[str, ...]]:
        if not self.enabled or len(text) < _SHORTEST:
            return text, ()
        secrets = [*self._values(text), *keys(text)]
        return _without(text, secrets) if secrets else (text, ())

    def _values(self, text: str) -> Iterator[tuple[int, int, str]]:
        for value, name in self.secrets:
            at = text.find(value)
            while at != -1:
                yield at, at + len(value), name
                at = text.find(value, at + len(value))


def _without(text: str, secrets: list[tuple[int, int, str]]) -> tuple[str, tuple[str, ...]]:
    secrets.sort(key=lambda item: (item[0], -item[1]))
    parts: list[str] = []
    names: dict[str, None] = {}
    done = 0
    for start, end, name in secrets:
        if end <= done:
            continue
        if start >= done:
            parts += (text[done:start], f"[redacted {name}]")
        names[name] = None
        done = end
    parts.append(text[done:])
    return "".join(parts), tuple(names)


@lru_cache(maxsize=4)
def _for_environment(items: frozenset[tuple[str, str]]) -> SecretRemover:
    secrets: dict[str, str] = {}
    for name, value in sorted(items):
        for secret in _secrets_of(name, value):
            for form in _forms(secret):
                secrets.setdefault(form, name)
    return SecretRemover(tuple(sorted(secrets.items(), key=lambda item: -len(item[0]))))


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be in text: as it is, quoted, and with the bytes that are not UTF-8 in the usual ways."""
    yield secret
    yield encodable(secret)
    yield quote(secret, safe="", errors="surrogateescape")
    yield repr(secret)[1:-1]


_SHORTEST: Final = 8
_LONG: Final = 12
_STRONG: Final = re.compile(
    r"PASSW|PASSPHRASE|SECRET|TOKEN(?!IZER|S(?:_|$))|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|ACCOUNT_?KEY|SIGNING_?KEY"
    r"|(?:^|_)(?:PASS|PWD|PAT|JWT|COOKIE)$"
)
_WEAK: Final = re.compile(r"KEY$|AUTH|(?:^|_)(?:SAS|DSN|WEBHOOK|CONN)|KEY_")
_HARMLESS: Final = re.compile(
    r"(?:LC_|XDG_|TERM|COLOR|LS_COLORS|PS[1-4]$|PROMPT|HOST|CONDA_|VSCODE_|JPY_SESSION|DBUS_|SSH_(?:CONN|CLIENT|TTY)|LESS|"
    r"PIP_|UV_|GIT_(?:COMMIT|BRANCH|SHA)|CI_COMMIT|BUILD_|IMAGE|INVOCATION_ID|MPL|PYTHON|PWD$|OLDPWD$|HOME$|USER|LOGNAME|.*_VERSION$)"
)
_WORDS: Final = re.compile(r"[^\W\d_]+")
_WORDY: Final = re.compile(r"[^\W\d_]+(?:[-_. ,/:+&][^\W\d_]+)*+")
_NUMBER: Final = re.compile(r"[-+\d.,:eE_/ TZ]+")
_PATHS: Final = re.compile(r"(?:(?:[A-Za-z]:)?[\\/]|~[\w-]*/|\.{1,2}[\\/])[^\0]*|[\w.-]+(?:/[\w.-]+)+/?")
_TOKEN_SEGMENT: Final = re.compile(r"[A-Za-z0-9+/=]{24,}")
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,24}(?::\d+)?|[\w.-]+:\d{1,5}|(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?"
)
_LOCALE: Final = re.compile(r"[a-z]{2,3}_[A-Z]{2}(?:[.@][\w.-]+)?")
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HASH: Final = re.compile(r"[0-9a-f]{32,128}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IN_PAIRS: Final = re.compile(
    r"(?i)(?:password|pwd|accountkey|sharedaccesskey|secret|token|api_?key)=([^;&\s]{8,})"
)


def _secrets_of(name: str, value: str) -> Iterator[str]:
    """What of a variable's value is secret: nothing, all of it, or the password of a URL or connection string."""
    value = value.strip()
    upper = name.upper()
    if len(value) < _SHORTEST or _is_plain(value):
        return
    if "://" in value:
        yield from _secrets_of_url(value)
    elif _STRONG.search(upper):
        if len(value) >= _LONG or mixed(value):
            yield value
    elif len(value) < _LONG:
        return
    elif pairs := _IN_PAIRS.findall(value):
        yield from (str(secret) for secret in pairs)
    elif _WEAK.search(upper):
        if mixed(value):
            yield value
    elif (
        not _HARMLESS.match(upper)
        and not re.search(r"\s", value)
        and not _HASH.fullmatch(value)
        and _is_random(value)
    ):
        yield value


def _is_plain(value: str) -> bool:
    """A word, number, path, host, address, locale: nothing that is worth hiding, and much that prose needs."""
    if _WORDS.fullmatch(value):
        return not _switches_case(value)
    if _PATHS.fullmatch(value) and not _is_base64(value):
        return True
    if _HOST.fullmatch(value):
        return not random_looking(value, 10)
    return any(kind.fullmatch(value) for kind in (_NUMBER, _LOCALE, _EMAIL))


def _is_base64(value: str) -> bool:
    return _TOKEN_SEGMENT.fullmatch(value) is not None and _switches_case(value) and mixed(value)


def _is_random(value: str) -> bool:
    if _WORDY.fullmatch(value):
        return _switches_case(value)
    return random_looking(value, 10) or _is_base64(value)


def _switches_case(value: str) -> bool:
    """Whether letters change between small and capital more often than words do."""
    letters = [(a, b) for a, b in pairwise(value) if a.isalpha() and b.isalpha()]
    return sum(a.isupper() != b.isupper() for a, b in letters) >= max(4, len(value) // 4)


def _secrets_of_url(value: str) -> Iterator[str]:
    try:
        url = urlsplit(value)
        user, password = url.username, url.password
    except ValueError:
        return
    for secret in (password, user if user and len(user) >= 20 else None):
        if secret and len(unquote(secret)) >= 6 and not _WORDS.fullmatch(secret):
            yield secret
    for part in [*url.path.split("/"), *(pair.partition("=")[2] for pair in url.query.split("&"))]:
        if len(part) >= 20 and random_looking(part, 16):
            yield part


_SETS_KEY: Final = re.compile(
    r"""(?:environ(?:\.setdefault\(|\.update\(|\[|\W{0,3})|putenv\(|setenv\(|%(?:set_)?env[ \t]+|export[ \t]+|\b)
        ["']?(?P<name>(?:[A-Za-z][A-Za-z0-9_]*_)?(?:API_KEY|AUTH_TOKEN|api_key|auth_token))["']?
        \]?[ \t]*(?:=|:|,|[ \t])[ \t]*[rbu]?(?P<quote>["']?)(?P<value>[^\s"'(){}\[\],;]{8,})(?P=quote)""",
    re.VERBOSE,
)


def find_key(source: str) -> str | None:
    """What a cell sets to a literal key, or carries of one (`ANTHROPIC_API_KEY`, `api_key`, `anthropic-key`); None if nothing.

    Placeholders (`your-key`, `sk-ant-...`) and values that are looked up (`os.environ[…]`, a variable) do not count.
    """
    for match in _SETS_KEY.finditer(source):
        value = match["value"]
        shell = re.match(r"%(?:set_)?env|export", match[0])
        if (match["quote"] or shell) and mixed(value) and not is_placeholder(value):
            return match["name"]
    return next((name for _, _, name in keys(source) if name in ("anthropic-key", "api-key")), None)
