"""`python -m rmr1_ray.serve`: a model of the store behind vLLM's OpenAI-compatible server, for as long as somebody holds it.

The specification lies in the store under the key `RMR1_SPEC`. `RMR1_VLLM_COMMAND`, a variable of the cluster's nodes, is
what starts the server in place of `vllm serve`.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import threading
import time
from pathlib import Path

from .ending import leave, run_to_end
from .errors import EXIT_DONE, EXIT_PREEMPTED, JobError, bad_job
from .events import emit
from .hold import Hold
from .server_process import ServerProcess, own_address
from .spec import Spec, require, schema_of
from .store import Store

POLL_SECONDS = 1.0
# Weights of 65 GB are read, graphs are compiled and captured.
STARTUP_SECONDS = 3600.0
# A server that is alive and does not answer for so long is started again.
UNWELL_SECONDS = 60.0
# The model is on this disk: starting the server here again costs less than a job elsewhere.
RESTARTS = 3


def main() -> int:
    return run_to_end("serve", serve)


def serve(work: Path) -> int:
    store = Store()
    spec = check_serving(store.get_json(os.environ["RMR1_SPEC"]))
    return Serving(store, spec, work).run()


def check_serving(value: object) -> Spec:
    """The value, if it asks for a server. Raises JobError naming the field that is wrong."""
    return require(schema_of("serving"), value)


class Serving:
    """One attempt at a server: the model's files, the process, its address on record, its end."""

    def __init__(self, store: Store, spec: Spec, work: Path) -> None:
        self.store = store
        self.spec = spec
        self.model = work / "model"
        self.key = secrets.token_hex(16)
        self.root = f"servers/{spec['serverKey']}/attempt-{spec['attempt']}"
        self.command = command_of_node()
        self.hold = Hold(store, self.root, spec["leaseSeconds"])

    def run(self) -> int:
        """Serve until nobody holds the server. Raises JobError where it cannot be kept alive."""
        self.hold.watch()
        starts = 0
        if not self.fetch():
            return self.leave()
        while True:
            starts += 1
            emit("alive", doing="starting the server")
            server = ServerProcess(self.command, self.model, self.spec, own_address(), self.key)
            was_healthy, fault = self.serve(server, starts)
            self.withdraw()
            server.drain(self.spec["drainSeconds"] if fault is None else 0)
            if fault is None:
                return self.leave()
            if not was_healthy or starts > RESTARTS:
                raise JobError("ServerDied", f"the server {fault}")
            print(f"the server {fault}; it is started again", flush=True)

    def fetch(self) -> bool:
        """The model's files on this disk; False where nobody wants them any more."""
        emit("alive", doing="fetching the model")
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self.store.fetch_directory(self.spec["model"], self.model)
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)

        thread = threading.Thread(target=work, name="fetch", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
            if self.hold.over:
                return False
        if failures:
            raise failures[0]
        return not self.hold.over

    def serve(self, server: ServerProcess, start: int) -> tuple[bool, str | None]:
        """Watch the server until it is not wanted (no fault) or does not serve; and whether it ever did."""
        began = time.monotonic()
        well_at: float | None = None
        while not self.hold.wait(POLL_SECONDS):
            now = time.monotonic()
            code = server.exit_code()
            if code is not None:
                return well_at is not None, f"ended with code {code}"
            if server.healthy():
                if well_at is None:
                    record = {"url": server.url, "key": self.key, "pid": server.pid, "start": start}
                    self.store.put_json(f"{self.root}/address.json", record)
                    emit("alive", doing=f"serving at {server.url}")
                well_at = now
            elif well_at is not None and now - well_at > UNWELL_SECONDS:
                return True, f"has not answered for {UNWELL_SECONDS:.0f} s"
            elif well_at is None and now - began > STARTUP_SECONDS:
                return False, f"was not healthy within {STARTUP_SECONDS:.0f} s"
        return well_at is not None, None

    def withdraw(self) -> None:
        """Nobody new asks a server whose address is not on record."""
        try:
            self.store.put_json(f"{self.root}/address.json", {"url": None})
        except Exception as error:  # noqa: BLE001 - a store that is away must not keep a server alive
            print(f"the address cannot be withdrawn: {error}", flush=True)

    def leave(self) -> int:
        emit("alive", doing=f"ending: {self.hold.reason}")
        return EXIT_PREEMPTED if self.hold.reason == "SIGTERM" else EXIT_DONE


def command_of_node() -> list[str]:
    """What starts a server on this node. Raises JobError where it is not installed."""
    command = shlex.split(os.environ.get("RMR1_VLLM_COMMAND") or "vllm serve")
    if not command or shutil.which(command[0]) is None:
        raise bad_job(
            f"{command[0] if command else 'RMR1_VLLM_COMMAND'!r} is not on the node's PATH: install vLLM on the cluster's nodes, "
            "or name it by RMR1_VLLM_COMMAND where Ray was started"
        )
    return command


if __name__ == "__main__":
    leave(main())
