"""Cells as they were recorded → attachments: text with labels, pictures as pictures, under the rules for rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from claude_jupyter.content import images, markup, outputs, printed
from claude_jupyter.content.fence import Redactor, clip_middle, text_attachment
from claude_jupyter.content.recorded import Cell, Shown
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, ClaudeError, UsageError
from claude_jupyter.turns import Attachment

SOURCE, OUTPUT, CELL = 20_000, 12_000, 40_000
"""Characters of a cell's source, of one of its outputs, and of all of it together."""
PICTURES: Final = 10
"""The newest pictures of one cell that `-l` shows."""
TABLE_WITHHELD: Final = "[table withheld: --rows none]"
OUTPUT_WITHHELD: Final = "[output withheld: --rows none]"


def last_cells(cells: Sequence[Cell], rules: Rules) -> tuple[Attachment, ...]:
    """Each cell as text, followed by its pictures.

    Raises
    ------
    UsageError
        Where no cell was recorded.
    """
    if not cells:
        raise UsageError(
            "there is no earlier cell to show: -l points at cells run after %load_ext claude_jupyter."
        )
    found: list[Attachment] = []
    for cell in cells:
        pictures = list(_pictures(cell, rules, sum(a.kind == "image" for a in found)))
        found += [_cell(cell, pictures, rules), *(p for p in pictures if isinstance(p, Attachment))]
    return tuple(found)


def plots(shown: Sequence[tuple[Cell, Shown]], count: int, rules: Rules) -> tuple[Attachment, ...]:
    """The newest `count` pictures that cells showed; where none was (a terminal, a window), pyplot's open figures.

    Raises
    ------
    UsageError
        Where there is neither.
    """
    if not shown:
        return _open_figures(count, rules)
    found: list[Attachment] = []
    for cell, picture in shown:
        found.append(_picture(picture, _name(cell, picture), _after(rules, len(found))))
    return tuple(found)


def _name(cell: Cell, picture: Shown) -> str:
    """The same for `-l` and `-p`, so that a picture pointed at twice is known to be the same."""
    several = len(cell.images) > 1
    number = next(n for n, other in enumerate(cell.images, 1) if other is picture) if several else 0
    return f"{cell.label} picture" + (f" {number}" if several else "")


def _open_figures(count: int, rules: Rules) -> tuple[Attachment, ...]:
    from claude_jupyter.content import figures, mpl

    drawn: list[Attachment] = []
    for figure in mpl.open_figures()[-count:]:
        attachment = figures.draw(figure, f"figure {figure.number}", _after(rules, len(drawn)))
        drawn += [attachment] if attachment is not None else []
    if not drawn:
        raise UsageError(
            "no picture has been shown since %load_ext claude_jupyter: name the figure instead (%%claude fig), "
            "or run its cell again."
        )
    return tuple(drawn)


def _after(rules: Rules, images_before: int) -> Rules:
    return replace(rules, images_before=rules.images_before + images_before)


def last_error(error: BaseException | None, failed: Cell | None, rules: Rules) -> tuple[Attachment, ...]:
    """The last error with the cell that failed; by its exception, or by what was recorded where that is gone.

    Raises
    ------
    UsageError
        Where none has been seen.
    """
    from claude_jupyter.content import tracebacks

    if error is not None:
        cell = "" if failed is None else _source(failed)
        return (tracebacks.attach(error, "the last error", rules, cell=cell),)
    if failed is not None:
        return (replace(_cell(failed, (), rules), kind="error"),)
    raise UsageError("there has been no error in this kernel: run the failing cell, then ask with -e.")


def _pictures(cell: Cell, rules: Rules, before: int) -> Iterator[Attachment | str]:
    for number, picture in enumerate(cell.images[-PICTURES:]):
        try:
            yield _picture(picture, _name(cell, picture), _after(rules, before + number))
        except ClaudeError as problem:
            yield problem.message  # a cell is still worth showing without one of its pictures


def _picture(shown: Shown, label: str, rules: Rules) -> Attachment:
    data = shown.data
    if not shown.media_type.startswith("image/"):
        from claude_jupyter.content import figures

        return figures.from_shown(shown.media_type, data, label, rules)
    if shown.media_type == "image/svg+xml":
        return images.from_svg(
            data if isinstance(data, str) else bytes(data).decode("utf-8", "replace"), label, rules
        )
    found = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else images.decode(_text(data))
    if found is None:
        raise AttachmentError(f"{label} is not a picture that can be read.")
    return images.from_bytes(found, label, rules, media_type=shown.media_type)


def _text(data: Any) -> str:
    return "".join(map(str, data)) if isinstance(data, list) else str(data)


def _source(cell: Cell) -> str:
    return clip_middle(outputs.without_base64(cell.source), SOURCE)[0]


def _cell(cell: Cell, pictures: Sequence[Attachment | str], rules: Rules) -> Attachment:
    redactor = Redactor(rules)
    notes: list[str] = [p for p in pictures if isinstance(p, str)]
    parts = [redactor(_source(cell)).rstrip()]
    if cell.text.strip():
        parts.append(
            "--- printed:\n" + _output(cell.text, printed.looks_like_table(cell.text), rules, redactor, notes)
        )
    for shown in cell.shown:
        if not shown.is_image:
            text = _words(shown)
            table = shown.table or printed.looks_like_table(text)
            parts.append(
                f"--- {'value' if shown.value else 'shown'}:\n" + _output(text, table, rules, redactor, notes)
            )
    drawn = [p.label for p in pictures if isinstance(p, Attachment)]
    if drawn:
        parts.append(f"--- {'picture' if len(drawn) == 1 else 'pictures'}:\n" + redactor(", ".join(drawn)))
    if len(cell.images) > len(pictures) > 0:
        notes.append(f"{len(pictures)} of its {len(cell.images)} pictures are shown")
    if cell.error:
        parts.append("--- error:\n" + _error(cell, rules, redactor, notes))
    text, cut = clip_middle("\n".join(parts), CELL)
    return text_attachment(
        text, cell.label, "cell", rules, sent=_sent(cell, len(drawn)), as_kind="cell", redactor=redactor,
        notes=[*notes, *(["shortened"] if cut else [])],
        rows=rules.row_limit != 0 and (bool(cell.error) or _shows_table(cell)),
    )  # fmt: skip


def _words(shown: Shown) -> str:
    if shown.media_type != "text/html":
        return str(shown.data)
    return markup.words(shown.data) or "(HTML without words)"


def _shows_table(cell: Cell) -> bool:
    texts = (cell.text, *(_words(s) for s in cell.shown if not s.is_image))
    return any(s.table for s in cell.shown) or any(map(printed.looks_like_table, texts))


def _output(text: str, table: bool, rules: Rules, redactor: Redactor, notes: list[str]) -> str:
    if rules.row_limit == 0:
        return TABLE_WITHHELD if table else OUTPUT_WITHHELD
    text = redactor(printed.told(text, rules.row_limit, table=table)).strip("\n")
    text, cut = clip_middle(text, OUTPUT)
    if cut:
        notes.append("a long output shortened")
    return text


def _error(cell: Cell, rules: Rules, redactor: Redactor, notes: list[str]) -> str:
    if rules.row_limit == 0:
        return f"{cell.error_name}: [message withheld: --rows none]"
    text, cut = clip_middle(redactor(outputs.clean(cell.error)).strip("\n"), OUTPUT)
    if cut:
        notes.append("a long traceback shortened")
    return text


def _sent(cell: Cell, drawn: int) -> str:
    lines = cell.source.count("\n") + 1
    words = [f"{lines:,} {'line' if lines == 1 else 'lines'} of code"]
    if cell.text.strip() or any(not s.is_image for s in cell.shown):
        words.append("output")
    if drawn:
        words.append("1 picture" if drawn == 1 else f"{drawn} pictures")
    if cell.error:
        words.append(cell.error_name)
    return ", ".join(words)
