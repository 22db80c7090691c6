"""Finds text that is shaped like a key: where it is, and what to call it, but never its value.

Shapes that need a prefix are told by it; what only looks random (hashes, UUIDs, base64) is left alone. Every pattern begins with
literal text and is tried only where that occurs, so that 5 MB without keys cost a few substring searches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
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
    before
        What of the key is before the match, where its literal is in its middle or at its end.
    """

    name: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    sure: Callable[[str], bool] = lambda key: True
    before: re.Pattern[str] | None = None


def mixed(text: str) -> bool:
    """Whether letters and digits are mixed."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


def random_looking(text: str, length: int = 12) -> bool:
    """Whether a part of it, as `-_.:/` divide it, is long, mixes letters and digits, and is not a hash or number."""
    return any(
        len(part) >= length and mixed(part) and not _HEX.fullmatch(part)
        for part in re.split(r"[-_.:/@+,;=]", text)
    )


_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+|0x[0-9a-fA-F]+")
_PLACEHOLDER: Final = re.compile(
    r"(?i)your|example|placeholder|changeme|dummy|<|\.\.\.|…|\$\{?\w|xxxx|\*\*\*|redacted|%\("
)


def is_placeholder(text: str) -> bool:
    """Whether a text is where a key would, and is none: `your-key`, `sk-ant-...`, `${KEY}`."""
    return _PLACEHOLDER.search(text) is not None


_REACH: Final = 100


def _shape(
    name: str, anchors: str, pattern: str, sure: Callable[[str], bool] = lambda key: True, before: str = ""
) -> Shape:
    return Shape(
        name, tuple(anchors.split("|")), re.compile(pattern), sure, re.compile(before) if before else None
    )


def _prefixed(name: str, prefix: str, rest: str, sure: Callable[[str], bool] = lambda key: True) -> Shape:
    """A key that begins with `prefix`; the look-behind is after it, so that the search can jump to the literal."""
    return _shape(
        name,
        prefix,
        rf"{re.escape(prefix)}(?<![A-Za-z0-9_+/]{re.escape(prefix)}){rest}(?![A-Za-z0-9_+/])",
        sure,
    )


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


def _switching(text: str) -> bool:
    """Whether letters change between small and capital as they do by chance, and digits are among them."""
    letters = [(a, b) for a, b in pairwise(text) if a.isalpha() and b.isalpha()]
    changes = sum(a.isupper() != b.isupper() for a, b in letters)
    return mixed(text) and changes >= max(6, len(text) // 8)


_ASSIGNED: Final = (
    r"""(?i:[\w-]{0,24}?(?:key|pass|pwd?|password|token)["'\]]*(?:[ \t]*(?::=|[:=]|=>)[ \t]*|[ \t]+)["']?)"""
    r"""(?P<key>[A-Za-z0-9_-]{24,64})(?![\w-])"""
)
"""IBM's keys have no prefix: they are told by the name before them, with or without a sign of equality between."""
_IBM: Final = (
    "softlayer",
    "sl_",
    "sl-",
    "ibm",
    "cloudant",
    "cloud_",
    "cloud-",
    "clou_",
    "clou-",
    "cos_",
    "cos-",
)

SHAPES: Final[tuple[Shape, ...]] = (
    # As long as a real one it counts, whatever it spells.
    _prefixed("anthropic-key", "sk-ant-", r"[\w-]{6,}+", lambda key: len(key) >= 32 or not is_placeholder(key)),
    _prefixed("api-key", "sk-", r"[\w-]{20,}+", lambda key: random_looking(key, 16)),
    *(_prefixed("stripe-key", p, r"[0-9A-Za-z]{16,}+") for p in ("sk_live_", "sk_test_", "rk_live_", "rk_test_")),
    *(_prefixed("aws-key-id", p, r"[0-9A-Z]{16}") for p in ("AKIA", "ASIA", "ABIA", "ACCA")),
    _prefixed("aws-key-id", "A3T", r"[0-9A-Z]{17}"),
    *(
        _shape(
            "aws-secret", p,
            rf"""{p}\w{{0,24}}(?i:key|secret|token)["'\]]*[ \t]*(?::|:?=>?)[ \t]*["']?(?P<key>[A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+])""",
            _switching,
        )
        for p in ("aws", "AWS", "Aws")
    ),
    *(_prefixed("github-token", p, r"[A-Za-z0-9]{20,}+") for p in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    _prefixed("github-token", "github_pat_", r"\w{20,}+"),
    *(
        _prefixed("gitlab-token", f"gl{kind}-", r"[\w.-]{20,}+")
        for kind in ("pat", "dt", "ft", "soat", "rt", "cbt", "ptt", "agent", "imt", "ffct", "oas")
    ),
    _prefixed("gitlab-token", "GR1348941", r"[\w-]{20,}+"),
    *(_prefixed("slack-token", f"xox{kind}-", r"[A-Za-z0-9-]{10,}+") for kind in "abeoprs"),
    _prefixed("google-key", "AIza", r"[0-9A-Za-z_-]{35}"),
    _prefixed("google-token", "ya29.", r"[\w-]{20,}+"),
    _prefixed("huggingface-token", "hf_", r"[A-Za-z0-9]{30,}+"),
    _prefixed("npm-token", "npm_", r"[A-Za-z0-9]{36}"),
    _prefixed("pypi-token", "pypi-AgE", r"[\w-]{50,}+"),
    _prefixed("sendgrid-key", "SG.", r"[\w-]{16,}+\.[\w-]{16,}+"),
    _prefixed("jwt", "eyJ", r"[\w-]{8,}+\.eyJ[\w-]{8,}+(?:\.[\w-]*+)?"),
    *(
        _prefixed(name, prefix, rest)
        for name, prefix, rest in (
            ("databricks-token", "dapi", r"[0-9a-f]{32}(?:-[0-9])?"),
            ("groq-key", "gsk_", r"[A-Za-z0-9]{40,}+"),
            ("xai-key", "xai-", r"[A-Za-z0-9]{40,}+"),
            ("twilio-key", "SK", r"[0-9a-z]{32}"),
            ("twilio-account", "AC", r"[0-9a-z]{32}"),
            ("square-secret", "sq0csp-", r"[\w\\-]{43}"),
            ("square-token", "sq0atp-", r"[\w-]{22}"),
            ("square-token", "EAAA", r"[\w-]{60}"),
            ("artifactory-token", "AKC", r"[A-Za-z0-9]{10,}+"),
            ("perplexity-key", "pplx-", r"[A-Za-z0-9]{40,}+"),
            ("replicate-token", "r8_", r"[A-Za-z0-9]{37}"),
            ("digitalocean-token", "dop_v1_", r"[0-9a-f]{64}"),
            ("shopify-token", "shpat_", r"[0-9a-fA-F]{32}"),
            ("pinecone-key", "pcsk_", r"\w{40,}+"),
            ("langsmith-key", "lsv2_", r"(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
            ("tavily-key", "tvly-", r"[\w-]{20,}+"),
            ("postman-key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
            ("grafana-token", "glsa_", r"[A-Za-z0-9]{32}_[0-9a-f]{8}"),
            ("vault-token", "hvs.", r"[\w-]{24,}+"),
            ("linear-key", "lin_api_", r"[A-Za-z0-9]{40}"),
        )
    ),
    _prefixed("artifactory-password", "AP", r"[0-9A-F][A-Za-z0-9]{8,}+", lambda key: key[2].isdigit() or _digits(key) > 3),
    _shape("discord-token", ".", r"\.(?<=[\w-]{24}\.)[\w-]{6}\.[\w-]{27,38}(?![\w.+/-])", _switching, r"(?<![.+/-])[MNO][\w-]{23,27}$"),
    _shape("telegram-token", ":AA", r"(?<![\w:])(?P<key>[0-9]{8,10}:AA[\w-]{33})(?![\w-])"),
    _shape("mailchimp-key", "-us", r"-us(?<=[0-9a-z]{32}-us)[0-9]{1,2}(?![\w-])", mixed, r"(?<![\w-])[0-9a-z]{32}$"),
    _shape("azure-key", "AccountKey=", r"AccountKey=(?P<key>[A-Za-z0-9+/]{80,}+={0,2})"),
    _shape("azure-key", "==", r"==(?<=[A-Za-z0-9+/]{86}==)(?![\w+/=])", _switching, r"(?<![\w+/=-])[A-Za-z0-9+/]{86}$"),
    _shape("azure-signature", "sig=", r"sig=(?P<key>[A-Za-z0-9%+/]{40,}+=*)", mixed),
    _shape("slack-webhook", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows)/(?P<key>[\w/]{20,}+)"),
    _shape("discord-webhook", "/api/webhooks/", r"/api/webhooks/[0-9]{10,}/(?P<key>[\w-]{40,}+)"),
    _shape("npm-token", "_authToken", r"_authToken[ \t]?=[ \t]?(?P<key>[A-Fa-f0-9-]{36}|npm_\w{8,}+)"),
    _shape("softlayer-key", "softlayer.com/soap/", r"softlayer\.com/soap/v3(?:\.1)?/(?P<key>[0-9a-z]{64})(?![0-9a-z])"),
    *(
        _shape("ibm-key", p, rf"{p}(?<![A-Za-z]{p}){_ASSIGNED}", lambda key: mixed(key) or len(key) == 24)
        for prefix in _IBM
        for p in (prefix, prefix.upper())
    ),
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
            if shape.before is not None:
                before = shape.before.search(text, max(0, start - _REACH), start)
                if before is None:
                    continue
                start = before.start()
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
    """Whether it is not a name in code (`settings.ApiKey2Default3`, `Tokenizer2`): digits in several places, letters of both cases."""
    if "." in text and all(part.isidentifier() for part in text.split(".")):
        return False
    if len(text) >= 32 and _HEX.fullmatch(text) and mixed(text):
        return True
    digits = len(re.findall(r"[0-9]+", text))
    return digits > 1 and any(c.isupper() for c in text) and any(c.islower() for c in text)
