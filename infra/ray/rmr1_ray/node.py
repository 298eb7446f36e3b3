"""The processes of one node: started together, watched, ended together."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from typing import NamedTuple, Protocol, Sequence

LAUNCHED = "RMR1_LAUNCHED"


class Heard(NamedTuple):
    """What a node's processes have said and how they ended since the last question, by their rank in the whole job."""

    lines: list[tuple[int, str]]
    """Exit codes, negative for a signal."""
    codes: dict[int, int]


class Node(Protocol):
    """A node as whoever supervises the job sees it, wherever it is."""

    def endpoint(self) -> tuple[str, int]: ...
    def start(self, ranks: Sequence[int], world: int, main: tuple[str, int]) -> None: ...
    def poll(self) -> Heard: ...
    def signal(self, number: int) -> None: ...
    def close(self) -> None: ...


class LocalNode:
    """The node on which this process runs."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "rmr1_ray"), address: str = "127.0.0.1") -> None:
        self._command = list(command)
        self._address = address
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._said: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._readers: dict[int, threading.Thread] = {}
        self._directory = tempfile.mkdtemp(prefix="rmr1-node-")

    def endpoint(self) -> tuple[str, int]:
        """This node's address and a port that is free on it now."""
        with socket.socket() as probe:
            probe.bind((self._address, 0))
            return self._address, probe.getsockname()[1]

    def start(self, ranks: Sequence[int], world: int, main: tuple[str, int]) -> None:
        """Start the job's processes of these ranks; `main` is where the first process of all will listen."""
        for local, rank in enumerate(ranks):
            variables = {
                **{"RANK": rank, "LOCAL_RANK": local, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": len(ranks)},
                **{"MASTER_ADDR": main[0], "MASTER_PORT": main[1]},
                **{LAUNCHED: 1, "RMR1_NODE_DIR": self._directory, "PYTHONUNBUFFERED": 1},
            }
            process = subprocess.Popen(
                self._command,
                env={**os.environ, **{name: str(value) for name, value in variables.items()}},
                # Its other end is ours alone: a process that reads the end of it knows that we are gone.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._processes[rank] = process
            self._readers[rank] = threading.Thread(target=self._read, args=(rank, process), daemon=True)
            self._readers[rank].start()

    def poll(self) -> Heard:
        """What is new. A process that has ended is reported once, after everything it said."""
        codes = {}
        for rank, process in list(self._processes.items()):
            code = process.poll()
            if code is not None:
                self._readers[rank].join(timeout=5)
                codes[rank] = code
                del self._processes[rank]
        lines = []
        while not self._said.empty():
            lines.append(self._said.get())
        return Heard(lines, codes)

    def signal(self, number: int) -> None:
        for process in self._processes.values():
            process.send_signal(number)

    def close(self) -> None:
        """End what is left and remove what the processes had in common."""
        self.signal(signal.SIGKILL)
        for process in self._processes.values():
            process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _read(self, rank: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._said.put((rank, line.rstrip("\n")))


def end_with_launcher() -> None:
    """Called by a process that a `LocalNode` started: it must not outlive the one that supervises it."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=watch, name="launcher", daemon=True).start()
