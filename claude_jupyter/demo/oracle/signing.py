"""Signatures of thinking blocks: which model wrote them, for which text, after which conversation.

On models with `bound` blocks the service refuses a block whose conversation was changed before it
(https://platform.claude.com/docs/en/build-with-claude/extended-thinking, whats-new-opus-5-5). Cache markers do not count, blocks
may be removed from the start, from the end, or all of them, and a block that another model made is dropped silently.
The key is not a secret: this only makes the demo as strict as the service.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

_KEY: Final = b"claude-jupyter offline demo"
_SIZE: Final = 12


class Signature(NamedTuple):
    """The four digests a signature is made of."""

    model: bytes
    words: bytes
    prefix: bytes
    before: bytes

    def encode(self) -> str:
        """As it is in the block."""
        body = b"".join(self)
        return base64.b64encode(b"demo" + body + _digest(b"seal", body)).decode()

    @classmethod
    def decode(cls, text: str) -> Signature | None:
        """The inverse; None for anything this server did not make."""
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        body = raw[4:-_SIZE]
        if raw[:4] != b"demo" or len(body) != 4 * _SIZE or raw[-_SIZE:] != _digest(b"seal", body):
            return None
        return cls(*(body[k : k + _SIZE] for k in range(0, len(body), _SIZE)))


def _digest(*parts: bytes) -> bytes:
    return hmac.new(_KEY, b"\0".join(parts), hashlib.sha256).digest()[:_SIZE]


def bare(value: Any) -> Any:
    """A block without what does not count: cache markers, empty fields, loading hints."""
    if isinstance(value, Mapping):
        return {
            k: bare(v)
            for k, v in value.items()
            if k not in ("cache_control", "caller") and v is not None and not (k == "citations" and v == [])
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [bare(v) for v in value]
    return value


def canonical(value: Any) -> bytes:
    """One byte string for all spellings of the same value."""
    return json.dumps(bare(value), sort_keys=True, ensure_ascii=False).encode()


def as_blocks(content: Any) -> list[Mapping[str, Any]]:
    """A message's content as blocks: a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def read_from(messages: Any) -> Any:
    """The messages from the last compaction block on: the service reads its summary instead of what comes before it."""
    if not isinstance(messages, list):
        return messages
    for i in range(len(messages) - 1, -1, -1):
        blocks = as_blocks(messages[i].get("content"))
        for j in range(len(blocks) - 1, -1, -1):
            if blocks[j].get("type") == "compaction" and blocks[j].get("content"):
                return [{**messages[i], "content": blocks[j:]}, *messages[i + 1 :]]
    return messages


def readable(block: Mapping[str, Any], model: str) -> bool:
    """False for thinking that another model made: it is dropped silently and not billed."""
    if block.get("type") != "thinking":
        return True
    signature = Signature.decode(str(block.get("signature") or ""))
    return signature is None or signature.model == _digest(b"model", model.encode())


class Chain:
    """A walk through a request's conversation that knows, at any block, the digest of all before it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        system = as_blocks(body.get("system") or [])
        tools = [t for t in body.get("tools") or () if not t.get("defer_loading")]
        self._begin = hashlib.sha256(canonical([system, tools]))
        self._hash = self._begin.copy()
        self._role = ""
        self._model = _digest(b"model", str(body.get("model")).encode())
        self.last = bytes(_SIZE)

    def add(self, role: str, block: Mapping[str, Any]) -> None:
        """Go past a block; thinking blocks are not part of what others are bound to."""
        if block.get("type") == "compaction" and block.get("content"):
            self._hash, self._role, self.last = self._begin.copy(), "", bytes(_SIZE)
        if role != self._role:
            self._hash.update(b"\0role " + role.encode())
            self._role = role
        if block.get("type") not in ("thinking", "redacted_thinking"):
            self._hash.update(b"\0block " + canonical(block))

    def sign(self, text: str) -> str:
        """The signature of a new thinking block here, over the words that are shown of it."""
        signature = Signature(
            self._model,
            _digest(b"words", text.encode()),
            _digest(b"prefix", self._here("assistant")),
            self.last,
        )
        self.last = _digest(b"block", *signature)
        return signature.encode()

    def problem(self, block: Mapping[str, Any]) -> str | None:
        """What is wrong with a thinking block that is here: `signature`, `prefix`, or nothing."""
        signature = Signature.decode(str(block.get("signature") or ""))
        if signature is None:
            return "signature"
        if signature.model != self._model:
            return None
        if signature.words != _digest(b"words", str(block.get("thinking") or "").encode()):
            return "signature"
        moved = signature.prefix != _digest(b"prefix", self._here("assistant"))
        gap = self.last != bytes(_SIZE) and signature.before != self.last
        self.last = _digest(b"block", *signature)
        return "prefix" if moved or gap else None

    def _here(self, role: str) -> bytes:
        here = self._hash.copy()
        if role != self._role:
            here.update(b"\0role " + role.encode())
        return here.digest()


def walk(body: Mapping[str, Any]) -> tuple[Chain, Iterator[tuple[str, Mapping[str, Any], str | None]]]:
    """The chain of a request, and its thinking blocks with path and problem. Exhaust the second before using the first."""
    chain = Chain(body)

    def blocks() -> Iterator[tuple[str, Mapping[str, Any], str | None]]:
        messages = body.get("messages") or []
        dropped = len(messages) - len(read_from(messages))
        for i, message in enumerate(messages):
            role = str(message.get("role"))
            for j, block in enumerate(as_blocks(message.get("content"))):
                if block.get("type") == "thinking" and i >= dropped:
                    yield f"messages.{i}.content.{j}", block, chain.problem(block)
                chain.add(role, block)

    return chain, blocks()


def end_of(body: Mapping[str, Any]) -> Chain:
    """The chain at the end of a request's conversation, ready to sign the answer's thinking."""
    chain, blocks = walk(body)
    for _ in blocks:
        pass
    return chain
