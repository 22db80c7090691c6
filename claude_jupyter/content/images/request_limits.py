"""Limits on the pictures of one request together, history counted: how many, and how large when there are many.

One picture's own limits are `convert.py`'s and `sizes.py`'s business; this is called once all attachments of a request are known.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from claude_jupyter.answer.model import Attachment, Block, Message
from claude_jupyter.content.images import convert, sizes
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import ContentTooLargeError


def hold(
    attachments: Sequence[Attachment], earlier: Iterable[Message], rules: Rules
) -> tuple[Attachment, ...]:
    """The attachments as they may go together behind the messages that are sent again.

    Beyond 20 images in a request no side may be over 2,000 px: the new ones are shrunk; earlier ones never change, so that one
    of them that is larger is a clear refusal.

    Raises
    ------
    ContentTooLargeError
        For more images than the model takes, or an earlier one that is too large among so many.
    """
    old = [block for message in earlier for block in _images(message.get("content"))]
    new = sum(block["type"] == "image" for attachment in attachments for block in attachment.blocks)
    total, most = len(old) + new, rules.model.images
    if not new or total <= sizes.MANY:
        return tuple(attachments)
    ways = "Attach fewer, start over with -n, or use --once."
    if total > most:
        raise ContentTooLargeError(
            f"The request would contain {total:,} images; {rules.model.id} accepts {most:,}. {ways}"
        )
    if any(_longest_side(block) > sizes.MANY_SIDE for block in old):
        raise ContentTooLargeError(
            f"The request would contain {total:,} images; beyond {sizes.MANY} the API accepts at most {sizes.MANY_SIDE:,} px a side, "
            f"and an earlier one is larger. {ways}"
        )
    return tuple(convert.shrink(attachment, sizes.MANY_SIDE) for attachment in attachments)


def _images(content: Any) -> Iterator[Block]:
    """Image blocks of a message's content, those in tool results too."""
    for block in content if isinstance(content, list | tuple) else ():
        if not isinstance(block, Mapping):
            continue
        if block.get("type") == "image":
            yield block
        elif block.get("type") == "tool_result":
            yield from _images(block.get("content"))


def _longest_side(block: Block) -> int:
    """Pixels, by the file's head alone; 0 for a picture by its address."""
    from PIL import Image, UnidentifiedImageError

    data = block.get("source", {}).get("data")
    if not isinstance(data, str):
        return 0
    try:
        return max(Image.open(io.BytesIO(base64.b64decode(data))).size)
    except (UnidentifiedImageError, OSError, ValueError, binascii.Error):
        return 0
