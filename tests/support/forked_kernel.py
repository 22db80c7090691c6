"""What jupyter_client starts as a kernel (`forkserver.py` says why): `forked_kernel.py SOCKET -f CONNECTION_FILE`."""

import array
import json
import os
import select
import signal
import socket
import sys

FORWARDED = {signal.SIGINT: signal.SIGINT, signal.SIGTERM: signal.SIGTERM, signal.SIGUSR1: signal.SIGKILL}
early: list[int] = []
for number in FORWARDED:
    signal.signal(number, lambda number, _: early.append(number))

parent = os.getppid()
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
        os.killpg(kernel, FORWARDED[signal.Signals(number)])
    except ProcessLookupError:
        pass


for number in FORWARDED:
    signal.signal(number, forward)
for number in early:
    forward(number)
while not select.select([server], [], [], 1)[0]:
    if os.getppid() != parent:  # as ipykernel looks for its parent
        forward(signal.SIGUSR1)
status = int(answers.readline() or 1)
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
