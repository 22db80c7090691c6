"""Recorded answers (`replay`): what makes two requests the same, and the recording that answers one. The files are `replay.py`'s."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claude_jupyter.client.events import Request
from claude_jupyter.conversation.request import Question
from claude_jupyter.conversation.world import World
from claude_jupyter.errors import ReplayError
from claude_jupyter.replay import Recordings


def identity(request: Request) -> Mapping[str, Any]:
    """What makes two requests the same for replay: parameters, beta names and what `extra_body` adds."""
    more = {k: v for k, v in (("betas", request.betas), ("extra_body", request.extra.get("extra_body"))) if v}
    return {**request.params, **more}


def recordings(world: World) -> Recordings:
    """The recordings of the settings' folder."""
    return Recordings((world.folder or Path()) / Path(world.settings.replay_dir).expanduser())


def recording(world: World, question: Question, request: Request) -> Mapping[str, Any] | None:
    """The recorded answer to a request, or None where it is to be asked.

    Raises
    ------
    ReplayError
        Where only recordings may answer and none does.
    """
    mode = world.settings.replay
    if mode == "off" or question.options.no_replay:
        return None
    found = recordings(world).find(identity(request))
    if found is None and mode == "only":
        words = " ".join(question.prompt.split())[:80]
        raise ReplayError(
            f'No recording answers "{words}" as it stands, and replay = "only" asks nobody. '
            'Record it once with replay = "auto", or use --no-replay.'
        )
    return found
