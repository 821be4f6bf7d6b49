"""A stand-in for ``nvidia-cuda-mps-control``: a real daemon with a server, and all their faults.

Run as a program. ``MPS_NOTES`` names the file to which it appends, a line each, ``WHAT:DETAIL:PID``
with the devices and the folder of sockets that it was given; ``MPS_CONDUCT`` holds words for how to
misbehave. As NVIDIA's may, the daemon keeps the output of its parent open.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

NOTES = Path(os.environ["MPS_NOTES"])
CONDUCT = set(os.environ.get("MPS_CONDUCT", "").split())
PIPES, LOGS = (Path(os.environ[f"CUDA_MPS_{name}_DIRECTORY"]) for name in ("PIPE", "LOG"))
SOCKET = str(PIPES / "control")


def note(what: str, detail: object = "", pid: int = 0) -> None:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    with NOTES.open("a") as file:
        file.write(f"{what}:{detail}:{pid or os.getpid()}:{given}:{PIPES}\n")


def log(name: str, text: str) -> None:
    with (LOGS / name).open("a") as file:
        file.write(f"[2026-01-01 00:00:00.000 Control 1] {text}\n")


def hang() -> None:
    while True:
        time.sleep(600)


def start() -> None:
    """Start the daemon as ``-d`` does."""
    note("start")
    if "refuse" in CONDUCT:
        log("control.log", "Failed to open the device")
        sys.exit(1)
    with socket.socket(socket.AF_UNIX) as listening:
        if "late" not in CONDUCT:
            listen(listening)
        if os.fork() == 0:
            serve(listening)
        if "signal" in CONDUCT:
            os.kill(os.getppid(), signal.SIGTERM)
        if "hang-start" in CONDUCT:
            hang()
        if "break" in CONDUCT:
            print("broken after its start", file=sys.stderr)
            sys.exit(1)


def listen(listening: socket.socket) -> None:
    listening.bind(SOCKET)
    listening.listen()


def serve(listening: socket.socket) -> None:
    """Answer orders until `quit`."""
    if "detached" in CONDUCT:
        os.setsid()
    note("daemon", os.getsid(0))
    if "late" in CONDUCT:
        while "\nunheard:" not in NOTES.read_text():
            time.sleep(0.01)
        listen(listening)
    server = 0
    while True:
        connection, _ = listening.accept()
        with connection:
            order = connection.recv(1000).decode().strip()
            if order.startswith("start_server") and "no-server" in CONDUCT:
                log("server.log", "Failed to start : the GPU is held by another process")
            elif order.startswith("start_server"):
                server = os.fork()
                if server == 0:
                    connection.close()
                    listening.close()
                    hang()
                note("server", pid=server)
            answer = answered(order, server)
            quitting = order.startswith("quit") and "deaf" not in CONDUCT
            if quitting and server and "stray" not in CONDUCT:
                os.kill(server, signal.SIGKILL)
                os.waitpid(server, 0)
            connection.sendall(answer.encode())
        if quitting:
            os._exit(0)


def answered(order: str, server: int) -> str:
    if order == "get_server_list" and server:
        return f"{server}\n"
    if order == f"get_server_status {server}":
        return "FAULT" if "fault" in CONDUCT else "INITIALIZING" if "slow" in CONDUCT else "ACTIVE"
    return ""


def order() -> None:
    """Pass the input on to the daemon."""
    text = sys.stdin.read()
    note("order", text.strip())
    if "hang-orders" in CONDUCT:
        hang()
    if "interrupt" in CONDUCT and text.startswith("quit"):
        os.kill(os.getppid(), signal.SIGINT)
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(SOCKET)
        except OSError:
            note("unheard")
            print("Cannot find MPS control daemon process")
            sys.exit(1)
        connection.sendall(text.encode())
        while part := connection.recv(1000):
            sys.stdout.write(part.decode())


if __name__ == "__main__":
    start() if sys.argv[1:] == ["-d"] else order()
