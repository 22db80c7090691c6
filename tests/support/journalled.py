"""Turns, pictures and journals for the tests of what is on disk of a conversation."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from claude_jupyter.answer.model import Answer, Turn
from claude_jupyter.conversation.history import sent, with_digests
from claude_jupyter.conversation.store.journal import Journal


def png(color="red"):
    data = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def picture(data):
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {"type": "image", "source": source}


def turn(name, *, text="answer", user=None, cell=None, number=1, **more):
    content = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": text}]
    messages = (
        {"role": "user", "content": user or [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": content},
    )
    answer = Answer(id=name, turn=number, blocks=({"type": "text", "text": text},), complete=True)
    return with_digests(
        Turn(messages, answer, prefix=sent((), "", []).prefix, cell=cell, prompt=name, **more)
    )


def make(folder, kernel="k1", mode="on", warned=None):
    warn = pytest.fail if warned is None else warned.append
    return Journal(folder / "journal", kernel, "a.ipynb", lambda: mode, warn)


def texts(chat):
    return [t.answer.text for t in chat.turns]
