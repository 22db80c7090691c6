"""`python -m claude_jupyter.demo`: the demo server in a process of its own, for benchmarks and for other clients.

Prints its address, and ends when its standard input does. Not the command `claude-jupyter demo` (`command.py`).
"""

from __future__ import annotations

import argparse
import sys

from claude_jupyter.demo.server import FIRST, PACE, start


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m claude_jupyter.demo", description=__doc__)
    parser.add_argument(
        "--pace", type=float, default=PACE, help="seconds per chunk of about a token (%(default)s)"
    )
    parser.add_argument(
        "--first", type=float, default=FIRST, help="seconds before the first one (%(default)s)"
    )
    arguments = parser.parse_args()
    with start(pace=arguments.pace, first=arguments.first, keep=20) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
