"""The command `claude-jupyter`: parses the command line and calls the module that does the work."""

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
        from claude_jupyter.costs.reports import report

        return report.main(words[1:])
    arguments = _parser().parse_args(words)
    match arguments.command:
        case "check":
            from claude_jupyter import check

            lines, status = check.main()
            print("\n".join(lines))
            return status
        case "demo":
            from claude_jupyter.demo import command

            return (
                command.open_lab(_say, arguments.options)
                if arguments.execute is None
                else command.execute(arguments.execute, _say)
            )
        case "mcp":
            from claude_jupyter.errors import ClaudeError
            from claude_jupyter.mcp_server import serve

            try:
                return serve.main()
            except (ClaudeError, OSError) as error:
                print(error, file=sys.stderr)
                return 1
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
        help="run the notebook without a browser instead, save the executed copy, and print what it cost",
    )
    demo.add_argument(
        "options",
        nargs="*",
        metavar="-- OPTION",
        help="options for JupyterLab, after --: claude-jupyter demo -- --no-browser",
    )
    commands.add_parser("check", help="check the installation, in ten lines")
    commands.add_parser(
        "cost", help="show what was spent, by cell, day, model, … (claude-jupyter cost --help)"
    )
    commands.add_parser(
        "mcp",
        help="let a coding agent use your running kernels: claude mcp add jupyter -- claude-jupyter mcp",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
