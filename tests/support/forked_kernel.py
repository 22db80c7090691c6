"""What jupyter_client starts as a kernel (`forkserver.py` says why): `forked_kernel.py SOCKET -f CONNECTION_FILE`."""

import array
import json
import os
import signal
import socket
import sys

early: list[int] = []
signal.signal(signal.SIGINT, lambda number, _: early.append(number))
signal.signal(signal.SIGTERM, lambda number, _: early.append(number))

server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
request = json.dumps({"argv": sys.argv[2:], "env": dict(os.environ), "cwd": os.getcwd()})  # noqa: PTH109  # pathlib takes as long to import as all else here
files = array.array("i", [0, 1, 2])
message = request.encode() + b"\n"
sent = server.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
server.sendall(message[sent:])
answers = server.makefile()
kernel = int(answers.readline())


def forward(number: int, _frame: object = None) -> None:
    try:
        os.killpg(kernel, number)
    except ProcessLookupError:
        pass


signal.signal(signal.SIGINT, forward)
signal.signal(signal.SIGTERM, forward)
for number in early:
    forward(number)
status = int(answers.readline() or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
