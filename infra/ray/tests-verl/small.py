"""A small job by verl: a tiny model, its specification, and nodes whose disks are folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_s3 import FakeS3
from tiny import grpo_rows, new_stage

from rmr1_ray.spec import check_spec
from rmr1_ray.store import Store


def new_spec(tmp: Path, client: FakeS3, rows: list[dict] | None = None, **changes: Any) -> dict:
    """A job of 4 steps on 2 nodes with a GPU each; its model lies in `tmp / "source"`."""
    settings = {"trainer": "verl", "nodes": 2, "cpus": 1, "gpus": 1, "vllm": True, "precision": "bfloat16", **changes}
    optimizer = {"schedule": "constant", "warmupSteps": 0}
    spec = new_stage(tmp, "grpo", rows or grpo_rows(), client)
    return check_spec({**spec, "optimizer": {**spec["optimizer"], **optimizer}, **settings})


class FolderNodes:
    """Nodes with a folder each for a disk; the driver's is the real one, of which `root` is the part that all have."""

    driver = "n0"

    def __init__(self, store: Store, root: Path, disks: Path, count: int = 2) -> None:
        self._store = store
        self._root = root
        self._disks = {f"n{index}": root if index == 0 else disks / f"n{index}" for index in range(count)}

    def all(self) -> list[str]:
        return list(self._disks)

    def with_gpus(self) -> set[str]:
        return set(self._disks)

    def on(self, node: str, path: Path) -> Path:
        """A path of the job on the disk of a node."""
        return self._disks[node] / path.relative_to(self._root)

    def run(self, work: Any, arguments: Any) -> dict[str, Any]:
        moved = {node: [self.on(node, each) if isinstance(each, Path) else each for each in given] for node, given in arguments.items()}
        return {node: work(self._store, *given) for node, given in moved.items()}
