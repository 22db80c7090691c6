"""Cells as they were recorded → attachments: text with labels, images as images, under the rules for rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.cells.cell_records import Cell, CellOutput
from claude_jupyter.content.figures.data.beside import with_numbers
from claude_jupyter.content.images import convert
from claude_jupyter.content.images.media_types import decode
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import markup, printed_tables, printed_text
from claude_jupyter.content.text.fence import Redactor, clip_middle, text_attachment
from claude_jupyter.errors import AttachmentError, ClaudeError, UsageError

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
        If no cell was recorded.
    """
    if not cells:
        raise UsageError(
            "there is no earlier cell to show: -l points at cells run after %load_ext claude_jupyter."
        )
    attachments: list[Attachment] = []
    for cell in cells:
        drawn = list(pictures(cell, rules, sum(a.kind == "image" for a in attachments)))
        attachments += [_cell(cell, drawn, rules), *(p for p in drawn if isinstance(p, Attachment))]
    return tuple(attachments)


def plots(images: Sequence[tuple[Cell, CellOutput]], count: int, rules: Rules) -> tuple[Attachment, ...]:
    """The newest `count` pictures that cells showed; if none was (a terminal, a window), pyplot's open figures.

    Raises
    ------
    UsageError
        If there is neither.
    """
    if not images:
        return _open_figures(count, rules)
    attachments: list[Attachment] = []
    for cell, picture in images:
        attachments.append(_picture(picture, _name(cell, picture), _after(rules, len(attachments))))
    return tuple(attachments)


def pointed(cell: Cell, number: int | None, rules: Rules) -> tuple[Attachment, ...]:
    """One cell with all that it showed, or its output of that number alone, counted from 1 as the notebook shows them.

    Raises
    ------
    UsageError
        For a number that no output has, or an output of which there is nothing to send.
    """
    if number is None:
        return last_cells([cell], rules)
    if number > cell.output_count:
        count = cell.output_count
        has = "no output" if not count else f"{count} output{'' if count == 1 else 's'}"
        raise UsageError(f"{cell.label} has {has}: there is no output {number} to point at")
    output = cell.output(number)
    if output is None:
        raise UsageError(
            f"output {number} of {cell.label} is neither an image nor text (it may be a widget), so it cannot be sent"
        )
    if output.is_image:
        return (_picture(output, _name(cell, output), rules),)
    label = f"{cell.label} output {number}"
    redactor = Redactor(rules)
    notes: list[str] = []
    if cell.error and number == cell.output_count:
        text, table, kind = _error(cell, rules, redactor, notes), False, "error"
    else:
        words = _words(output)
        table, kind = output.table or printed_tables.looks_like_table(words), "cell"
        text = _output(words, table, rules, redactor, notes)
    sent = cell.error_name if kind == "error" else f"{'table' if table else 'text'}, {len(text):,} characters"
    return (
        text_attachment(
            text, label, "output", rules, sent=sent, as_kind="error" if kind == "error" else "cell", redactor=redactor, notes=notes,
            rows=rules.row_limit != 0 and (table or kind == "error"),
        ),
    )  # fmt: skip


def _name(cell: Cell, picture: CellOutput) -> str:
    """The same for `-l` and `-p`, so that an image that is pointed at twice is recognized as the same."""
    several = len(cell.images) > 1
    number = next(n for n, other in enumerate(cell.images, 1) if other is picture) if several else 0
    return f"{cell.label} picture" + (f" {number}" if several else "")


def _open_figures(count: int, rules: Rules) -> tuple[Attachment, ...]:
    from claude_jupyter.content.figures import mpl, render

    drawn: list[Attachment] = []
    for figure in mpl.open_figures()[-count:]:
        attachment = render.draw(figure, f"figure {figure.number}", _after(rules, len(drawn)))
        drawn += [attachment] if attachment is not None else []
    if not drawn:
        raise UsageError(
            "no image has been shown since %load_ext claude_jupyter: name the figure instead (%%claude fig), "
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
        If none has been seen.
    """
    from claude_jupyter.content.cells import tracebacks

    if error is not None:
        cell = "" if failed is None else _source(failed)
        return (tracebacks.attach(error, "the last error", rules, cell=cell),)
    if failed is not None:
        return (replace(_cell(failed, (), rules), kind="error"),)
    raise UsageError("there has been no error in this kernel: run the failing cell, then ask with -e.")


def pictures(cell: Cell, rules: Rules, before: int = 0) -> Iterator[Attachment | str]:
    """The newest images of a cell; for one that cannot be sent, the reason."""
    for number, picture in enumerate(cell.images[-PICTURES:]):
        try:
            yield _picture(picture, _name(cell, picture), _after(rules, before + number))
        except ClaudeError as problem:
            yield problem.message  # a cell is still worth showing without one of its pictures


def _picture(output: CellOutput, label: str, rules: Rules) -> Attachment:
    """A picture, with its numbers where the chart's JSON or the figure that it was shown from has them."""
    image = _image(output, label, rules)
    figure = output.origin.figure() if output.origin is not None else None
    return image if figure is None else with_numbers(image, figure, rules)


def _image(output: CellOutput, label: str, rules: Rules) -> Attachment:
    data = output.data
    if not output.media_type.startswith("image/"):
        from claude_jupyter.content.figures import render

        return render.from_output(output.media_type, data, label, rules)
    if output.media_type == "image/svg+xml":
        return convert.from_svg(
            data if isinstance(data, str) else bytes(data).decode("utf-8", "replace"), label, rules
        )
    image = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else decode(_text(data))
    if image is None:
        raise AttachmentError(f"{label} is not an image that can be read.")
    return convert.from_bytes(image, label, rules, media_type=output.media_type)


def _text(data: Any) -> str:
    return "".join(map(str, data)) if isinstance(data, list) else str(data)


def _source(cell: Cell) -> str:
    return clip_middle(printed_text.without_base64(cell.source), SOURCE)[0]


def _cell(cell: Cell, pictures: Sequence[Attachment | str], rules: Rules) -> Attachment:
    redactor = Redactor(rules)
    notes: list[str] = [p for p in pictures if isinstance(p, str)]
    parts = [redactor(_source(cell)).rstrip()]
    if cell.text.strip():
        parts.append(
            "--- printed:\n"
            + _output(cell.text, printed_tables.looks_like_table(cell.text), rules, redactor, notes)
        )
    for output in cell.displayed:
        if not output.is_image:
            text = _words(output)
            table = output.table or printed_tables.looks_like_table(text)
            parts.append(
                f"--- {'value' if output.value else 'shown'}:\n"
                + _output(text, table, rules, redactor, notes)
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


def _words(output: CellOutput) -> str:
    if output.media_type != "text/html":
        return str(output.data)
    return markup.words(output.data) or "(HTML without words)"


def _shows_table(cell: Cell) -> bool:
    texts = (cell.text, *(_words(s) for s in cell.displayed if not s.is_image))
    return any(s.table for s in cell.displayed) or any(map(printed_tables.looks_like_table, texts))


def outputs(cell: Cell, rules: Rules, redactor: Redactor) -> list[str]:
    """What a cell printed and showed as text, under the rules for rows."""
    texts = [(cell.text, printed_tables.looks_like_table(cell.text))] if cell.text.strip() else []
    for output in cell.displayed:
        if not output.is_image:
            words = _words(output)
            texts.append((words, output.table or printed_tables.looks_like_table(words)))
    return [_output(text, table, rules, redactor, []) for text, table in texts]


def error_line(cell: Cell, rules: Rules, redactor: Redactor) -> str:
    """The error of a cell by its last line."""
    lines = _error(cell, rules, redactor, []).strip().splitlines()
    return lines[-1] if lines else cell.error_name


def _output(text: str, table: bool, rules: Rules, redactor: Redactor, notes: list[str]) -> str:
    if rules.row_limit == 0:
        return TABLE_WITHHELD if table else OUTPUT_WITHHELD
    text = redactor(printed_tables.limited(text, rules.row_limit, table=table)).strip("\n")
    text, cut = clip_middle(text, OUTPUT)
    if cut:
        notes.append("a long output shortened")
    return text


def _error(cell: Cell, rules: Rules, redactor: Redactor, notes: list[str]) -> str:
    if rules.row_limit == 0:
        return f"{cell.error_name}: [message withheld: --rows none]"
    text, cut = clip_middle(redactor(printed_text.clean(cell.error)).strip("\n"), OUTPUT)
    if cut:
        notes.append("a long traceback shortened")
    return text


def _sent(cell: Cell, drawn: int) -> str:
    lines = cell.source.count("\n") + 1
    words = [f"{lines:,} {'line' if lines == 1 else 'lines'} of code"]
    if cell.text.strip() or any(not s.is_image for s in cell.displayed):
        words.append("output")
    if drawn:
        words.append("1 picture" if drawn == 1 else f"{drawn} pictures")
    if cell.error:
        words.append(cell.error_name)
    return ", ".join(words)
