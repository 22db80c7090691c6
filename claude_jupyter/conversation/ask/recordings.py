"""Recorded answers (`replay`): what makes two requests the same, and the recording that answers one.

The files are `conversation/store/recording_files.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claude_jupyter.client.events import Request
from claude_jupyter.conversation.ask.question import Question
from claude_jupyter.conversation.ask.system_prompt import without_versions
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.store.recording_files import Recordings
from claude_jupyter.errors import ReplayError


def identity(request: Request) -> Mapping[str, Any]:
    """What makes two requests the same for replay: parameters, beta names and what `extra_body` adds.

    The versions in the system prompt by default do not count: recordings answer on other machines, and after an upgrade.
    """
    more = {k: v for k, v in (("betas", request.betas), ("extra_body", request.extra.get("extra_body"))) if v}
    if system := request.params.get("system"):
        more["system"] = [{**block, "text": without_versions(block["text"])} for block in system]
    return {**request.params, **more}


def recordings(env: Environment) -> Recordings:
    """The recordings of the settings' folder."""
    return Recordings((env.folder or Path()) / Path(env.settings.replay_dir).expanduser())


def recording(env: Environment, question: Question, request: Request) -> Mapping[str, Any] | None:
    """The recorded answer to a request, or None if it is to be asked.

    Raises
    ------
    ReplayError
        If only recordings may answer and none does.
    """
    mode = env.settings.replay
    if mode == "only" and question.options.no_replay:
        raise ReplayError(
            'replay = "only" never uses the network, so --no-replay cannot ask again: set replay = "auto" to record a new answer.'
        )
    if mode == "off" or question.options.no_replay:
        return None
    recorded = recordings(env).find(identity(request))
    if recorded is None and mode == "only":
        if question.step:
            raise ReplayError(
                f'The outcome of {question.step} differs from the recording, and replay = "only" never uses the network. '
                'Record the work again with replay = "auto".'
            )
        words = " ".join(question.prompt.split())[:80]
        raise ReplayError(
            f'There is no recording of "{words}", and replay = "only" never uses the network. '
            'Record it once with replay = "auto".'
        )
    return recorded


def departure(env: Environment, chat: str, step: str) -> str:
    """Says where a work that was replayed so far continues by asking; "" where it does not."""
    work = env.works.get(chat)
    if not step or work is None or not work.replayed:
        return ""
    return f"The outcome of {step} differs from the recording; from here on, Claude is asked again."
