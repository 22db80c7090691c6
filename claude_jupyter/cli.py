"""The command `claude-jupyter`: reads the command line and hands over; what is done stands elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from claude_jupyter import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `claude-jupyter cost | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    if words[:1] == ["cost"]:  # has its own options, the ones of %claude_cost
        from claude_jupyter.costs import report

        return report.main(words[1:])
    asked = _parser().parse_args(words)
    match asked.command:
        case "check":
            from claude_jupyter import check

            lines, status = check.main()
            print("\n".join(lines))
            return status
        case "demo":
            from claude_jupyter.demo import run

            return (
                run.open_lab(_say, asked.options)
                if asked.execute is None
                else run.execute(asked.execute, _say)
            )
        case _:
            _parser().print_help()
            return 2


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-jupyter",
        description="Work with Claude inside a Jupyter notebook: %load_ext claude_jupyter, then %%claude.",
    )
    parser.add_argument("--version", action="version", version=f"claude-jupyter {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="open the quick-start notebook in JupyterLab, answered offline if there is no key",
        description="Copy the quick-start notebook into ./claude-jupyter-demo and open JupyterLab on it.",
    )
    demo.add_argument(
        "--execute",
        type=Path,
        metavar="OUT.ipynb",
        help="run it without a browser instead, write it executed, and print what it cost",
    )
    demo.add_argument(
        "options",
        nargs="*",
        metavar="-- OPTION",
        help="for JupyterLab, after --: claude-jupyter demo -- --no-browser",
    )
    commands.add_parser("check", help="say in ten lines whether all is well")
    commands.add_parser("cost", help="what was spent, by cell, day, model, … (claude-jupyter cost --help)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
