"""From the characters of a magic's line to a question as a value: options, NAMEs and the prompt.

What the options are is the table in `claude_jupyter.options`. Braces in the prompt are `content/prompt/interpolate.py`'s.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from claude_jupyter.content.prompt import expressions
from claude_jupyter.errors import UsageError
from claude_jupyter.magics.line.words import Word, skip_blanks, unquoted, word_at, words
from claude_jupyter.options import BY_LONG, BY_SHORT, OPTIONS, Option, Options
from claude_jupyter.options.option_values import did_you_mean, refuse_key

_LONGEST_LINE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Name:
    """A value to look at, as it is on the line.

    Attributes
    ----------
    source
        The expression as typed; also its label.
    literal
        The text between the quotes of a file or URL, else None.
    """

    source: str
    literal: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """What was asked. With `help` the rest is empty: `--help` wins over everything next to it.

    Without a prompt it only points at a cell, as *Ask Claude* writes it: the question is still to come.
    """

    options: Options = field(default_factory=Options)
    names: tuple[Name, ...] = ()
    prompt: str = ""
    help: bool = False


def parse_cell(line: str, body: str | None) -> ParsedPrompt:
    """What `%%claude LINE` over `body` asks; the prompt is the body without blank lines around it.

    Raises
    ------
    UsageError
        In one line: an empty cell, an unknown option, a wrong value, a NAME that is none.
    """
    if len(line) > _LONGEST_LINE:
        raise UsageError("the first line is too long for options and names: write the question below it")
    pairs, names, wants_help = _cell_words(line)
    if wants_help:
        return ParsedPrompt(help=True)
    prompt = _without_blank_lines(body or "")
    options = Options.of_words(pairs)
    if not prompt and not options.cell:
        raise UsageError(_empty_cell(names))
    return ParsedPrompt(options, tuple(_name(word) for word in names), prompt)


def parse_line(line: str, *, may_be_empty: bool = False) -> ParsedPrompt:
    """What `%claude LINE` asks: options end at the first word that is none, the rest is the prompt byte for byte.

    Parameters
    ----------
    may_be_empty
        Whether options alone will do, as for `%claude_fix -m opus`.

    Raises
    ------
    UsageError
        In one line: an empty prompt, an unknown option, a wrong value.
    """
    pairs: list[tuple[Option, str | None]] = []
    at = skip_blanks(line, 0)
    while (word := word_at(line, at)) is not None and _is_option(word.text):
        at = skip_blanks(line, word.end)
        if word.text == "--":
            break
        option, value = _take(word.text, pairs)
        if option is None:
            continue
        if option.kind == "count":
            pairs.append((option, value))
        elif option.kind == "mode" and value is None:
            following = word_at(line, at)
            fits = following is not None and _fits(option, following.text)
            pairs.append((option, following.text if following and fits else None))
            at = skip_blanks(line, following.end) if following and fits else at
        elif value is None:
            following = _value_word(option, word.text, word_at(line, at))
            at = skip_blanks(line, following.end)
            pairs.append((option, unquoted(following.text)))
        else:
            pairs.append((option, unquoted(value)))
    if any(option.name == "help" for option, _ in pairs):
        return ParsedPrompt(help=True)
    prompt = line[at:].removesuffix("\n")
    options = Options.of_words(pairs)
    if not prompt.strip() and not may_be_empty and not options.cell:
        raise UsageError("there is no question: %claude what is a p-value?")
    return ParsedPrompt(options, (), prompt)


def resolve(names: Sequence[Name], namespace: Mapping[str, Any]) -> tuple[tuple[Name, Any], ...]:
    """Each name with its value; a literal's value is its text (a file or URL).

    Raises
    ------
    UsageError
        In one line: what does not exist and what is near, or what the lookup said.
    """
    return tuple(
        (name, name.literal if name.literal is not None else value_of(name.source, namespace))
        for name in names
    )


def value_of(source: str, namespace: Mapping[str, Any]) -> Any:
    """The value of an expression without calls, for NAMEs, `--returns` and `--tool`.

    Raises
    ------
    UsageError
        As `resolve`.
    """
    node = _expression(source)
    try:
        return expressions.look_up(node, namespace)
    except NameError as error:
        raise UsageError(_no_such_name(source, str(error.name), namespace)) from None
    except AttributeError as error:
        near = did_you_mean(str(error.name), _attributes(error.obj))
        kind = type(error.obj).__name__ if error.obj is not None else "it"
        raise UsageError(f"{source}: {kind} has no {error.name}{near}") from None
    except (KeyError, IndexError) as error:
        raise UsageError(f"{source}: {_missing_item(error, node, namespace)}") from None
    except Exception as error:
        text = " ".join(str(error).split())[:160]
        raise UsageError(f"{source}: {type(error).__name__}{': ' if text else ''}{text}") from None


def type_of(source: str, namespace: Mapping[str, Any]) -> Any:
    """The type that `--returns` names: as `value_of`, with Python's own types and those of `typing`; or "dataframe".

    Raises
    ------
    UsageError
        As `resolve`.
    """
    if source == "dataframe" and source not in namespace:
        return source
    return value_of(source, {**vars(typing), **vars(builtins), **namespace})


def with_objects(options: Options, namespace: Mapping[str, Any]) -> Options:
    """The options with the objects that `--tool` and `--returns` name.

    Raises
    ------
    UsageError
        As `resolve`.
    """
    tools = tuple(_tool(t, namespace) if isinstance(t, str) else t for t in options.tool)
    returns = type_of(options.returns, namespace) if isinstance(options.returns, str) else options.returns
    if returns is None and options.returns is not None:
        raise UsageError(f"{_short(options.returns)} is None, not a type")
    return replace(options, tool=tools, returns=returns)


def _tool(source: str, namespace: Mapping[str, Any]) -> Any:
    """The tool that `--tool` names; a partial or an object, which has no name of its own, goes by the user's."""
    tool = value_of(source, namespace)
    if not callable(tool) or hasattr(tool, "__name__") or not source.isidentifier():
        return tool
    named: Any = functools.partial(tool)
    named.__name__ = source
    return named


def _cell_words(line: str) -> tuple[list[tuple[Option, str | None]], list[str], bool]:
    pairs: list[tuple[Option, str | None]] = []
    names: list[str] = []
    rest = words(line)
    waiting: Word | None = None
    plain = False
    while (word := waiting or next(rest, None)) is not None:
        waiting = None
        if plain or not _is_option(word.text):
            names.append(word.text)
        elif word.text == "--":
            plain = True
        else:
            option, value = _take(word.text, pairs)
            if option is None:
                continue
            if value is None and option.kind in ("count", "mode"):
                following = next(rest, None)
                fits = following is not None and _fits(option, following.text)
                pairs.append((option, following.text if following and fits else None))
                waiting = None if fits else following
            else:
                pairs.append(
                    (option, unquoted(value or _value_word(option, word.text, next(rest, None)).text))
                )
    return pairs, names, any(option.name == "help" for option, _ in pairs)


def _fits(option: Option, word: str) -> bool:
    """Whether the next word is the value of an option that may be without one."""
    return word in option.choices or (option.kind == "count" and re.fullmatch(r"[0-9]+", word) is not None)


def _is_option(word: str) -> bool:
    return re.match(r"--?[A-Za-z]|--$", word) is not None


def _take(word: str, pairs: list[tuple[Option, str | None]]) -> tuple[Option | None, str | None]:
    """Put the flags of an option word into `given`; return the option that still needs a value, with what was attached."""
    refuse_key(word)
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        option = BY_LONG.get(name.replace("_", "-")) or _unknown(name)
        if option.takes_value:
            return option, (_given_value(option, value) if equals else None)
        if equals:
            raise UsageError(f"{option.flag} does not take a value")
        pairs.append((option, None))
        return None, None
    return _take_short(word, pairs)


def _take_short(word: str, pairs: list[tuple[Option, str | None]]) -> tuple[Option | None, str | None]:
    if (name := word[1:].partition("=")[0]) in BY_LONG:
        raise UsageError(f"there is no option {word[:40]}; did you mean --{name}?")
    at = 1
    while at < len(word):
        option = BY_SHORT.get(word[at]) or _unknown_short(word, word[at])
        at += 1
        rest = word[at:]
        if option.kind == "count" and (number := _count_in(option, rest)):
            pairs.append((option, number[1]))
            at += number.end()
        elif option.kind == "count" and rest and rest[0] != "=":
            pairs.append((option, None))
        elif option.takes_value:
            return option, (_given_value(option, rest.removeprefix("=")) if rest else None)
        else:
            pairs.append((option, None))
    return None, None


def _count_in(option: Option, rest: str) -> re.Match[str] | None:
    """The number, or the word in its place, behind a short option: `-l3`, `-l=all`."""
    words = "".join(f"|{choice}(?![A-Za-z])" for choice in option.choices)
    return re.match(rf"=?([0-9]+{words})", rest)


def _given_value(option: Option, value: str) -> str:
    if not value:
        raise UsageError(f"{option.flag} needs a value: {option.flag}={option.metavar}")
    return value


def _value_word(option: Option, typed: str, word: Word | None) -> Word:
    if word is None or _known_option(word.text):
        before = f" before {word.text}" if word else ""
        raise UsageError(f"{typed} needs a value{before}: {typed} {option.metavar}")
    return word


def _known_option(word: str) -> bool:
    if word.startswith("--"):
        return word == "--" or word[2:].partition("=")[0] in BY_LONG
    return len(word) == 2 and word[0] == "-" and word[1] in BY_SHORT


def _unknown(name: str) -> Option:
    near = did_you_mean(name, BY_LONG, "--") or "; %%claude --help lists them all"
    raise UsageError(f"there is no option --{name[:40]}{near}")


def _unknown_short(word: str, letter: str) -> Option:
    near = did_you_mean(word[1:], BY_LONG, "--") if len(word) > 2 else ""
    if not near:
        long = [o.flag for o in OPTIONS if o.name.startswith(letter) and o.short is None]
        near = f"; did you mean {long[0]}?" if long else "; %%claude --help lists them all"
    raise UsageError(f"there is no option -{letter}{near} (put -- before a prompt that begins with a dash)")


def _without_blank_lines(body: str) -> str:
    lines = body.split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return "\n".join(lines).removesuffix("\r")


def _empty_cell(names: list[str]) -> str:
    if len(names) > 1:
        question = _short(" ".join(names))
        return f"the cell is empty: write the question below the first line, or on one line after %claude: {question}"
    return "the cell is empty: write the question below the first line, such as: What stands out here?"


_FILE: Final = re.compile(
    r"[\w./\\:~*-]+\.(?:png|jpe?g|gif|webp|svg|pdf|csv|tsv|parquet|txt|md|json|ipynb|py)", re.I
)


def _name(word: str) -> Name:
    refuse_key(word)
    quoted = unquoted(word)
    if quoted is not word:
        if not quoted.strip():
            raise UsageError(f"{_short(word)} does not name a file")
        return Name(word, quoted)
    node = _expression(word)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Name(word, node.value)
    if not any(isinstance(part, ast.Name) for part in ast.walk(node)):
        raise UsageError(f"{_short(word)} is a constant, not a value to look at")
    return Name(word)


def _expression(word: str) -> ast.expr:
    node = expressions.read(word)
    if node is not None and expressions.calls(node):
        raise UsageError(
            f"{_short(word)} is a call, and this line does not run code: assign it first, x = {_short(word)}"
        )
    if word.rstrip(",") != word or isinstance(node, ast.Tuple):
        raise UsageError(f"{_short(word)}: separate names with spaces, not commas")
    if node is not None and expressions.is_value(node):
        return node
    if _FILE.fullmatch(word) or "://" in word:
        raise UsageError(f'put a file or URL in quotes: "{_short(word)}"')
    raise UsageError(f"{_short(word)} is not the name of a value; write the question below the first line")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "…"


def _no_such_name(source: str, name: str, namespace: Mapping[str, Any]) -> str:
    if _FILE.fullmatch(source):
        return f'there is no {name} here; put a file in quotes: "{source}"'
    public = [key for key in list(namespace) if not key.startswith("_")]
    near = did_you_mean(name, public) or "; run the cell that defines it first"
    where = "" if source == name else f" (in {_short(source)})"
    return f"there is no {name} here{where}{near}"


def _attributes(obj: Any) -> list[str]:
    try:
        return [name for name in dir(obj) if not name.startswith("_")]
    except Exception:
        return []


def _missing_item(error: LookupError, node: ast.expr, namespace: Mapping[str, Any]) -> str:
    key = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(key, int):
        return f"there is no {key}"
    if not isinstance(key, str) or not isinstance(node, ast.Subscript):
        return " ".join(str(error).split())[:160] or type(error).__name__
    near = ""
    try:
        keys = expressions.look_up(node.value, namespace).keys()
        texts = {repr(k): k for _, k in zip(range(5000), keys, strict=False) if isinstance(k, str)}
        near = did_you_mean(repr(key), texts)
    except Exception:
        pass
    return f"there is no {key!r}{near}"
