"""A Python that has imported the large libraries, and forks a process for each command.

Most of the time of a command on a study of seconds goes into importing torch and Snakemake. Here
one process imports them, never fggp itself, and becomes ``python -m fggp …`` or ``snakemake …`` for
each client: a process of its own with the arguments, folder, variables and streams of the client.

The clients are two scripts, ``python`` and ``snakemake``, in a folder for the front of ``PATH``.
They end as the command does, and pass signals on. Other uses of ``python`` start the real one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path

MODULES = (
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "numpy",
    "pandas",
    "pydantic",
    "scipy.stats",
    "seaborn",
    "snakemake.cli",
    "torch",
    "torch._dynamo",  # an optimizer imports it
    "torch._inductor.config",  # deterministic algorithms import it
    "yaml",
)
LENGTH = 8  # bytes of the size of a request

CLIENT = """#!{real} -SEs
import os, sys
name, arguments = os.path.basename(__file__), sys.argv[1:]
if name == "python" and arguments[:2] != ["-m", "fggp"]:
    os.execv({real!r}, [{real!r}, *arguments])
import json, signal, socket
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
held, pid = [], None
def pass_on(number, _):
    os.kill(pid, number) if pid else held.append(number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, pass_on)
asked = json.dumps([name, arguments, os.getcwd(), __file__, dict(os.environ)]).encode()
socket.send_fds(server, [len(asked).to_bytes({length}, "big")], [0, 1, 2])
server.sendall(asked)
said = server.makefile()
pid = int(said.readline())
for number in held:
    os.kill(pid, number)
status = int(said.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@cache
def clients() -> Path | None:
    """Start the server of this process; returns the folder of its clients, None if unavailable."""
    if not hasattr(os, "pidfd_open"):
        return None
    folder = Path(tempfile.mkdtemp(prefix="fork-"))  # short: the address of a socket has to be
    address = str(folder / "socket")
    (folder / "bin").mkdir()
    for name in ("python", "snakemake"):
        path = folder / "bin" / name
        path.write_text(CLIENT.format(real=sys.executable, address=address, length=LENGTH))
        path.chmod(0o755)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, __file__, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    atexit.register(_end, server, folder)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", (folder / "log").read_text()
    return folder / "bin"


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.terminate()
    server.communicate()
    shutil.rmtree(folder, ignore_errors=True)


def serve(address: str) -> None:
    """Answer clients until the process that started this one ends; returns in each command."""
    started_by = os.getppid()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        for name in MODULES:
            importlib.import_module(name)
        gc.freeze()  # a collection in a forked process copies what it looks at
        os.write(1, b"ready\n")
        while os.getppid() == started_by:
            _reap()
            if not select.select([listening], [], [], 1)[0]:
                continue
            client, _ = listening.accept()
            if os.fork():
                client.close()
            else:
                listening.close()
                _keep(client)
                return
    sys.exit()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(client: socket.socket) -> None:
    """Fork the command and tell the client of its end; returns in the command alone."""
    size, streams, *_ = socket.recv_fds(client, LENGTH, 3)
    asked = b""
    while len(asked) < int.from_bytes(size, "big"):
        asked += client.recv(1 << 16)
    command = os.fork()
    if not command:
        client.close()
        _become(json.loads(asked), streams)
        return
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(OSError):  # the client may have been killed by now
        client.sendall(f"{command}\n".encode())
    ended = os.pidfd_open(command)
    if ended not in select.select([client, ended], [], [])[0]:  # the client was killed
        os.kill(command, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(f"{status}\n".encode())
    os._exit(0)


def _become(asked: tuple[str, list[str], str, str, dict[str, str]], streams: list[int]) -> None:
    """Set all that a process has from its start, as the client has it."""
    name, arguments, folder, client, environment = asked
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, stream in (("stdout", 1), ("stderr", 2)):
        errors = "strict" if number == "stdout" else "backslashreplace"
        opened = open(stream, "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, number, opened)
        setattr(sys, f"__{number}__", opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = str(Path(client).with_name("python"))
    sys.argv = [client, *arguments]
    first = [folder] if name == "python" else []
    given = [it for it in environment.get("PYTHONPATH", "").split(os.pathsep) if it]
    sys.path[:1] = [*first, *given]  # in the place of the folder of this file


def _status() -> int:
    """Run the command in this process; returns its exit status, as Python does at its end."""
    sys.modules.pop("sitecustomize", None)  # Debian's, which the server has imported
    with contextlib.suppress(ImportError):
        importlib.import_module("sitecustomize")
    try:
        if Path(sys.argv[0]).name == "python":
            sys.argv = sys.argv[2:]  # without -m; run_module replaces the first
            runpy.run_module("fggp", run_name="__main__", alter_sys=True)
        else:
            importlib.import_module("snakemake.cli").main()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        sys.stderr.write(f"{ended.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Serve, and in each forked process be the command."""
    serve(sys.argv[1])
    status = _status()
    threading._shutdown()  # waits for threads, as Python does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)  # an orderly exit with all imported modules takes seconds


if __name__ == "__main__":
    main()
