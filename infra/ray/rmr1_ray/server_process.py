"""The process of an OpenAI-compatible server on this node: how it is started, asked for its health, and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from .spec import Spec

HEALTH_SECONDS = 5.0
# After the requests under way: the time to free the GPUs before the process is killed.
END_SECONDS = 30.0


class ServerProcess:
    """vLLM's command line. It was never run with vLLM itself: there was no GPU to run it on."""

    def __init__(self, command: list[str], model: Path, spec: Spec, host: str, key: str) -> None:
        port = free_port(host)
        self.url = f"http://{host}:{port}"
        arguments = [
            *command,
            str(model),
            f"--host={host}",
            f"--port={port}",
            f"--served-model-name={spec['name']}",
            f"--tensor-parallel-size={max(1, spec['gpus'])}",
            f"--dtype={spec['precision']}",
            # Sampling as the judge asks for it, not as the model's makers recommend.
            "--generation-config=vllm",
            f"--shutdown-timeout={spec['drainSeconds']}",
            "--disable-uvicorn-access-log",
        ]
        if "maxModelLen" in spec:
            arguments.append(f"--max-model-len={spec['maxModelLen']}")
        # It must not outlive this job, which Ray may kill.
        tether = [sys.executable, str(Path(__file__).with_name("tethered.py")), str(os.getpid())]
        self._process = subprocess.Popen(
            [*tether, *arguments], env={**os.environ, "VLLM_API_KEY": key}, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        return self._process.poll()

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=HEALTH_SECONDS) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def drain(self, seconds: float) -> None:
        """Ask it to finish what it was asked and to end; kill it where it does not, and whatever it leaves on the GPUs."""
        self._process.terminate()
        try:
            self._process.wait(seconds + END_SECONDS)
        except subprocess.TimeoutExpired:
            print("the server does not end and is killed", flush=True)
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def own_address() -> str:
    """This node's address as the cluster sees it: the one it has towards the head, whose address Ray gives its jobs."""
    head = os.environ.get("RAY_ADDRESS", "").removeprefix("ray://").rpartition(":")[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it only chooses the way.
            probe.connect((head or socket.gethostname(), 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostbyname(socket.gethostname())
