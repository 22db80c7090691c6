"""`/v1/messages/batches` in memory: a batch is processed when it is first read after its creation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo import sse
from claude_jupyter.demo.oracle import reply_shape, request_rules
from claude_jupyter.demo.oracle.caching import Cache
from claude_jupyter.demo.oracle.refusal import Refused, invalid
from claude_jupyter.demo.script import Body, Script
from claude_jupyter.models import facts

_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class BatchServer(Protocol):
    """What batches need of the server."""

    script: Callable[[Body], Script]
    strict: bool
    cache: Cache
    batches: dict[str, Any]

    def count(self, usage: Usage) -> None:
        """Count what no single request here stands for."""
        ...


def answer(
    demo: BatchServer,
    method: str,
    path: Sequence[str],
    body: Any,
    query: Mapping[str, Sequence[str]],
    key: str,
) -> dict[str, Any] | bytes:
    """What an endpoint of the batch API returns; results are JSON lines.

    Raises
    ------
    Refused
        As the service refuses.
    """
    match method, list(path):
        case "POST", []:
            return _create(demo, body)
        case "GET", []:
            limit = int(query.get("limit", ["20"])[0])
            newest = [batch["info"] for batch in reversed(demo.batches.values())]
            if after := query.get("after_id", [""])[0]:
                ids = [info["id"] for info in newest]
                newest = newest[ids.index(after) + 1 :] if after in ids else []
            page = newest[:limit]
            ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
            return {"data": page, "has_more": len(newest) > limit, "first_id": None, "last_id": None} | ends
        case "GET", [name]:
            return _work(demo, _find(demo, name), key)["info"]
        case "GET", [name, "results"]:
            batch = _find(demo, name)
            if batch["info"]["processing_status"] != "ended":
                raise Refused(404, f"Batch {name} has no results yet")
            return b"".join(json.dumps(line).encode() + b"\n" for line in batch["results"])
        case "POST", [name, "cancel"]:
            return _cancel(_find(demo, name))
        case "DELETE", [name]:
            if _find(demo, name)["info"]["processing_status"] != "ended":
                raise invalid("Only a batch that has ended can be deleted")
            del demo.batches[name]
            return {"id": name, "type": "message_batch_deleted"}
        case _:
            raise Refused(404, "Not Found")


def _find(demo: BatchServer, name: str) -> dict[str, Any]:
    if name not in demo.batches:
        raise Refused(404, f"Message batch {name} not found")
    return demo.batches[name]


def _create(demo: BatchServer, body: Any) -> dict[str, Any]:
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise invalid("requests: at least one request is required")
    names = [str(r.get("custom_id")) for r in requests]
    if wrong := next((n for n in names if not _CUSTOM_ID.fullmatch(n)), None):
        raise invalid(f"custom_id: {wrong!r} should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if len(set(names)) < len(names):
        raise invalid("custom_id: must be unique within a batch")
    if any(r.get("params", {}).get("stream") for r in requests):
        raise invalid("stream: not allowed in a batch")
    name = reply_shape.new_id("msgbatch")
    now = datetime.now(UTC)
    info = {
        "id": name,
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": _counts(processing=len(requests)),
        "created_at": now.isoformat(),
        "expires_at": (now + timedelta(hours=24)).isoformat(),
        "ended_at": None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": None,
    }
    demo.batches[name] = {"info": info, "requests": requests, "results": []}
    return dict(info)


def _counts(**counts: int) -> dict[str, int]:
    return dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0) | counts


def _work(demo: BatchServer, batch: dict[str, Any], key: str) -> dict[str, Any]:
    if batch["info"]["processing_status"] != "in_progress":
        return batch
    for request in batch["requests"]:
        batch["results"].append(
            {"custom_id": request["custom_id"], "result": _one(demo, request["params"], key)}
        )
    done = [line["result"]["type"] for line in batch["results"]]
    _end(batch, succeeded=done.count("succeeded"), errored=done.count("errored"))
    return batch


def _one(demo: BatchServer, params: Mapping[str, Any], key: str) -> dict[str, Any]:
    try:
        if demo.strict:
            request_rules.check(params, {})
        script = demo.script(params)
        if script.status != 200:
            raise Refused(script.status, script.error, type=script.error_type, details=script.details)
    except Refused as refused:
        return {"type": "errored", "error": refused.body(reply_shape.new_id("req"))}
    reply = reply_shape.reply(script, params)
    prompt = demo.cache.account(params, facts(str(params["model"])), key)
    demo.count(reply.usage(prompt))
    message = sse.message(reply, prompt, script.usage)
    message["usage"]["service_tier"] = "batch"
    return {"type": "succeeded", "message": message}


def _cancel(batch: dict[str, Any]) -> dict[str, Any]:
    if batch["info"]["processing_status"] == "in_progress":
        batch["info"]["cancel_initiated_at"] = datetime.now(UTC).isoformat()
        for request in batch["requests"]:
            batch["results"].append({"custom_id": request["custom_id"], "result": {"type": "canceled"}})
        _end(batch, canceled=len(batch["requests"]))
    return dict(batch["info"])


def _end(batch: dict[str, Any], **counts: int) -> None:
    info = batch["info"]
    info["processing_status"] = "ended"
    info["ended_at"] = datetime.now(UTC).isoformat()
    info["request_counts"] = _counts(**counts)
    info["results_url"] = f"/v1/messages/batches/{info['id']}/results"
