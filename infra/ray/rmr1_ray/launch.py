"""A job of several processes: one for each GPU of its nodes, or one on each node without any."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import Sequence

from .errors import EXIT_DONE, EXIT_FAILED, EXIT_PREEMPTED
from .events import FAILED, PREFIX, emit
from .node import LocalNode, Node
from .spec import Spec, processes_of

POLL_SECONDS = 0.2
# How long what is left of a job may take to say why it fails, once one of its processes has ended.
LAST_WORDS_SECONDS = 1.0


def launch(spec: Spec) -> int:
    """Run the job on its nodes. Returns the code to exit with."""
    if spec["nodes"] == 1:
        return supervise([LocalNode()], spec)
    from .placement import place_nodes

    return supervise(place_nodes(spec), spec)


def supervise(nodes: Sequence[Node], spec: Spec) -> int:
    """Start all processes and follow them to their common end: where one dies, the others are of no use."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    try:
        return _follow(nodes, spec, stopping)
    finally:
        for node in nodes:
            node.close()


def _follow(nodes: Sequence[Node], spec: Spec, stopping: threading.Event) -> int:
    world = processes_of(spec)
    each = world // len(nodes)
    main = nodes[0].endpoint()
    for index, node in enumerate(nodes):
        node.start(range(index * each, (index + 1) * each), world, main)
    ends = Ends(each)
    passed_on = False
    deadline: float | None = None
    while len(ends.codes) < world:
        if stopping.is_set() and not passed_on:
            passed_on = True
            for node in nodes:
                node.signal(signal.SIGTERM)
        for node in nodes:
            ends.hear(*node.poll())
        if ends.failed and deadline is None:
            deadline = time.monotonic() + LAST_WORDS_SECONDS
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    return ends.conclude()


class Ends:
    """How the processes of a job ended, and which of their failures is the cause of the others."""

    def __init__(self, processes_per_node: int) -> None:
        self._each = processes_per_node
        self.codes: dict[int, int] = {}
        self._said: dict[int, dict[str, str]] = {}

    @property
    def failed(self) -> bool:
        return any(code not in (EXIT_DONE, EXIT_PREEMPTED) for code in self.codes.values())

    def hear(self, lines: Sequence[tuple[int, str]], codes: dict[int, int]) -> None:
        """Pass on what was said, to the job's log; failures are kept back, for one of them is the cause."""
        for rank, line in lines:
            failure = _failure_in(line)
            if failure:
                self._said.setdefault(rank, failure)
            else:
                print(line if rank == 0 else f"[process {rank}] {line}", flush=True)
        self.codes |= codes

    def conclude(self) -> int:
        if not self.failed:
            return EXIT_PREEMPTED if EXIT_PREEMPTED in self.codes.values() else EXIT_DONE
        failed = [rank for rank, code in self.codes.items() if code not in (EXIT_DONE, EXIT_PREEMPTED)]
        # An error with a name explains itself. Else one that died without a word is why the others lost touch with it.
        named = [rank for rank in failed if self._said.get(rank, {}).get("type", "Failed") != "Failed"]
        silent = [rank for rank in failed if rank not in self._said]
        rank = (named or silent or failed)[0]
        if rank in self._said:
            emit(FAILED, error=self._said[rank])
            return self.codes[rank]
        how = f"process {rank}, on node {rank // self._each + 1}, ended {_how(self.codes[rank])}"
        emit(FAILED, error={"type": "Failed", "message": how})
        return EXIT_FAILED


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def _failure_in(line: str) -> dict[str, str] | None:
    at = line.find(PREFIX)
    if at < 0:
        return None
    try:
        event = json.loads(line[at + len(PREFIX) :])
        return dict(event["error"]) if event["type"] == FAILED else None
    except (ValueError, KeyError, TypeError):
        return None

