"""The nodes of a Ray cluster as a job by verl uses them: each has its own disk, at the same paths."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Mapping, Protocol, Sequence

from .errors import JobError
from .events import emit
from .model import WEIGHTS
from .store import Ref, Store, list_files
from .verl_config import Layout
from .verl_data import write_tokenizer

# What verl reserves for each process beside its GPU (its ResourcePoolManager's max_colocate_count).
CPUS_PER_GPU = 3
START_SECONDS = 600
Work = Callable[..., Any]


class Nodes(Protocol):
    """Work done on the disks of several nodes. `work` gets a store, then the arguments."""

    driver: str

    def all(self) -> list[str]: ...

    def with_gpus(self) -> set[str]: ...

    def run(self, work: Work, arguments: Mapping[str, Sequence[Any]]) -> dict[str, Any]: ...


class RayNodes:
    """Nodes of the cluster that this process is connected to."""

    def __init__(self) -> None:
        import ray

        self.driver = ray.get_runtime_context().get_node_id()

    def all(self) -> list[str]:
        """Where verl may place a process of any kind; the driver's own first."""
        return sorted((node for node, has in self._alive() if has.get("CPU")), key=lambda node: (node != self.driver, node))

    def with_gpus(self) -> set[str]:
        return {node for node, has in self._alive() if has.get("GPU")}

    def run(self, work: Work, arguments: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Do the work on each node at once. Raises what it raised."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = ray.remote(num_cpus=0, max_retries=2)(_with_store)
        pending = {
            node: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(work, *each)
            for node, each in arguments.items()
        }
        try:
            return dict(zip(pending, ray.get(list(pending.values())), strict=True))
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, JobError) else error

    def _alive(self) -> list[tuple[str, dict[str, float]]]:
        import ray

        return [(node["NodeID"], node["Resources"]) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _with_store(work: Work, *arguments: Any) -> Any:
    return work(Store(), *arguments)


def wait_for_gpus(nodes: int, gpus: int) -> None:
    """Wait until the cluster has what verl is about to reserve; clusters that grow on demand see the demand so."""
    from ray.util import placement_group, remove_placement_group

    emit("alive", doing=f"waiting for {nodes} nodes with {gpus} GPUs")
    groups = [placement_group([{"CPU": CPUS_PER_GPU, "GPU": 1}] * gpus, strategy="STRICT_PACK") for _ in range(nodes)]
    try:
        if not all(group.wait(START_SECONDS) for group in groups):
            raise JobError(
                "RayTooSmall",
                f"The Ray cluster has no {nodes} free nodes with {gpus} GPUs and {CPUS_PER_GPU * gpus} CPUs each: "
                "add nodes, or lower ray.nodes or ray.gpusPerNode.",
            )
    finally:
        for group in groups:
            remove_placement_group(group)


# Work on one node.


def prepare_node(store: Store, root: Path, model: Ref, weights: bool) -> None:
    """The model and its tokenizer, where earlier attempts have left nothing; its weights only where they are needed."""
    for left in root.parent.glob(f"{root.name.rsplit('-', 1)[0]}-*"):
        if left != root:
            shutil.rmtree(left, ignore_errors=True)
    layout = Layout(root)
    store.fetch_directory(model, layout.model, lambda path: weights or not any(Path(path).match(each) for each in WEIGHTS))
    write_tokenizer(layout.model, layout.tokenizer)


def list_node(_: Store, directory: Path) -> list[str]:
    return list_files(directory) if directory.exists() else []


def upload_node(store: Store, directory: Path, root: str, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Files of a directory as parts of a checkpoint. Returns their entries in its manifest."""
    return [{"path": path, **store.upload(root + path, directory / path)} for path in paths]


def download_node(store: Store, directory: Path, root: str, files: Sequence[dict[str, Any]]) -> None:
    """Parts of a checkpoint into a directory, verified. Raises JobError `CorruptArtifact`."""
    store.download_parts(root, files, directory)


def remove_node(_: Store, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
