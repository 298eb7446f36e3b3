"""Nodes of a Ray cluster for one job: a placement group with one bundle on each, and an actor that starts processes there."""

from __future__ import annotations

import time
from typing import Any, Sequence

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from .errors import JobError
from .events import emit
from .node import Heard, LocalNode
from .spec import Spec

WAIT_SECONDS = 600.0
LOOK_SECONDS = 5.0
# Processes are told to end and removed before their actor goes; after so long it goes anyway.
CLOSE_SECONDS = 10.0


class Agent(LocalNode):
    """A `LocalNode` on the node to which Ray has sent it. Ray shows it the GPUs of its bundle."""

    def __init__(self) -> None:
        super().__init__(address=ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


class RayNode:
    """A node of the cluster, reached through its agent."""

    def __init__(self, number: int, agent: Any) -> None:
        self._number = number
        self._agent = agent

    def endpoint(self) -> tuple[str, int]:
        return self._ask("endpoint")  # type: ignore[no-any-return]

    def start(self, ranks: Sequence[int], world: int, main: tuple[str, int]) -> None:
        self._ask("start", list(ranks), world, main)

    def poll(self) -> Heard:
        return Heard(*self._ask("poll"))

    def signal(self, number: int) -> None:
        self._ask("signal", number)

    def close(self) -> None:
        try:
            ray.get(self._agent.close.remote(), timeout=CLOSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - a node that is gone needs no closing
            print(f"node {self._number + 1} cannot be closed: {error}", flush=True)

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._agent, method).remote(*arguments))
        except ray.exceptions.RayError as error:
            raise JobError("Failed", f"node {self._number + 1} of the job is lost: {error}") from error


def place_nodes(spec: Spec, wait_seconds: float = WAIT_SECONDS) -> list[RayNode]:
    """Reserve the job's nodes. Raises JobError `RayTooSmall` where the cluster will never have them."""
    ray.init(log_to_driver=False)
    bundle = bundle_of(spec)
    group = placement_group([bundle] * spec["nodes"], strategy="STRICT_SPREAD")
    until = time.monotonic() + wait_seconds
    while not group.wait(timeout_seconds=LOOK_SECONDS):
        if time.monotonic() > until:
            raise too_small(spec, ray.nodes())  # type: ignore[no-untyped-call]
        emit("alive", doing=f"waiting for {spec['nodes']} nodes")
    options = {"num_cpus": bundle["CPU"], "num_gpus": bundle.get("GPU", 0)}
    return [
        RayNode(
            number,
            ray.remote(Agent)
            .options(
                **options,
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    placement_group=group, placement_group_bundle_index=number
                ),
            )
            .remote(),
        )
        for number in range(spec["nodes"])
    ]


def bundle_of(spec: Spec) -> dict[str, float]:
    """What the job takes of each node."""
    return {"CPU": spec["cpus"], **({"GPU": spec["gpus"]} if spec["gpus"] else {})}


def too_small(spec: Spec, nodes: Sequence[dict[str, Any]]) -> JobError:
    """Why a placement group was not placed: `nodes` are Ray's own descriptions."""
    bundle = bundle_of(spec)
    fitting = [
        node
        for node in nodes
        if node.get("Alive") and all(node.get("Resources", {}).get(name, 0) >= count for name, count in bundle.items())
    ]
    needs = f"{spec['nodes']} nodes with {spec['gpus']} GPUs and {spec['cpus']} CPUs each"
    if len(fitting) >= spec["nodes"]:
        return JobError("Failed", f"the job waited too long for {needs}, which others hold; it is submitted again")
    return JobError(
        "RayTooSmall",
        f"The stage reserves {needs}, of which the Ray cluster has {len(fitting)}: add nodes, or lower ray.nodes, ray.gpusPerNode or ray.cpusPerNode.",
    )
