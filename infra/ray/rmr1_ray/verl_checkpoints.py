"""Checkpoints of a model that is spread over processes on several nodes: every node stores and fetches its own shards."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Callable, Sequence

from .errors import JobError, bad_job
from .store import Checkpoints, list_files
from .verl_nodes import Nodes, download_node, list_node, remove_node, upload_node

SHARD = re.compile(r"^actor/(?:model|optim|extra_state)_world_size_(\d+)_rank_(\d+)\.pt$")
MODEL_SHARD = re.compile(r"^actor/model_world_size_\d+_rank_\d+\.pt$")
# The job's own records, which lie beside verl's files in a checkpoint.
RECORDS = "records"
TRACKER = "latest_checkpointed_iteration.txt"
KINDS = 3


class ShardedCheckpoints:
    """
    One attempt's checkpoints.

    `records` gives a directory with the job's own records up to a step; it waits until they are complete.
    """

    def __init__(self, checkpoints: Checkpoints, nodes: Nodes, processes: int, records: Callable[[int], Path]) -> None:
        self._checkpoints = checkpoints
        self._nodes = nodes
        self._processes = processes
        self._records = records

    def save(self, step: int, directory: Path) -> None:
        """Store what all nodes have below `directory`: parts first, from every node at once, the manifest last."""
        self._checkpoints.assert_held()
        root = self._checkpoints.root(step)
        taken: set[str] = set()
        mine: dict[str, list[str]] = {}
        # Nodes that share a disk list the same files: the first of them stores each.
        for node, paths in self._nodes.run(list_node, {node: (directory,) for node in self._nodes.all()}).items():
            mine[node] = [path for path in paths if path not in taken]
            taken.update(paths)
        self._check_whole(step, taken)
        parts = self._nodes.run(upload_node, {node: (directory, root, paths) for node, paths in mine.items() if paths})
        records = self._records(step)
        kept = [
            {"path": f"{RECORDS}/{path}", **self._checkpoints.store.upload(f"{root}{RECORDS}/{path}", records / path)}
            for path in list_files(records)
        ]
        self._checkpoints.complete(step, [file for files in parts.values() for file in files] + kept)

    def discard(self, directory: Path) -> None:
        """Delete a step's files on all nodes."""
        self._nodes.run(remove_node, {node: (directory,) for node in self._nodes.all()})

    def newest(self) -> int:
        """The step to resume from, 0 where there is none. Raises JobError where it needs another number of processes."""
        return next((int(self._checked(manifest)["step"]) for manifest in self._checkpoints.manifests()), 0)

    def place(self, directory: Path, ranks: Sequence[str], work: Path) -> int:
        """
        Fetch the newest checkpoint that verifies, as verl looks for it: below `directory`, on every node the shards of the
        processes that it hosts; its records go below `work`. `ranks` names the node of each process. Returns the step of
        the checkpoint, 0 where there is none.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for manifest in self._checkpoints.manifests():
            step, root, files = int(self._checked(manifest)["step"]), manifest["root"], manifest["files"]
            target = directory / f"global_step_{step}"
            common = [file for file in files if not SHARD.match(file["path"]) and not file["path"].startswith(f"{RECORDS}/")]
            wanted = {node: list(common) for node in {self._nodes.driver, *ranks}}
            for file in files:
                shard = SHARD.match(file["path"])
                if shard:
                    wanted[ranks[int(shard[2])]].append(file)
            try:
                self._nodes.run(download_node, {node: (target, root, each) for node, each in wanted.items()})
                self._fetch(manifest, work, lambda path: path.startswith(f"{RECORDS}/"))
            except JobError as error:
                if error.type != "CorruptArtifact":
                    raise
                print(f"checkpoint of step {step} cannot be used: {error}", flush=True)
                self.discard(target)
                continue
            # verl reads it as a number: it is there whole, or not at all.
            (directory / f"{TRACKER}.new").write_text(str(step))
            (directory / f"{TRACKER}.new").replace(directory / TRACKER)
            return step
        return 0

    def fetch_model(self, step: int, directory: Path) -> bool:
        """All shards of the model at a step, on this node, for merging. Returns whether there is such a checkpoint, whole."""
        for manifest in self._checkpoints.manifests():
            if manifest["step"] != step:
                continue
            shutil.rmtree(directory, ignore_errors=True)
            try:
                # Neither Adam's moments nor the state of random generators go into a model.
                self._fetch(manifest, directory, lambda path: not SHARD.match(path) or MODEL_SHARD.match(path) is not None)
                return True
            except JobError as error:
                if error.type != "CorruptArtifact":
                    raise
                print(f"checkpoint of step {step} cannot be used: {error}", flush=True)
        return False

    def _fetch(self, manifest: dict[str, Any], directory: Path, wanted: Callable[[str], bool]) -> None:
        files = [file for file in manifest["files"] if wanted(file["path"])]
        self._checkpoints.store.download_parts(manifest["root"], files, directory)

    def _check_whole(self, step: int, paths: set[str]) -> None:
        """Raises JobError where a process has left no shard."""
        shards = {path for path in paths if SHARD.match(path)}
        if len(shards) != KINDS * self._processes:
            raise JobError(
                "Failed", f"the checkpoint of step {step} has {len(shards)} shards of {KINDS * self._processes}: a node's are missing"
            )

    def _checked(self, manifest: dict[str, Any]) -> dict[str, Any]:
        sizes = {int(match[1]) for match in (SHARD.match(file["path"]) for file in manifest["files"]) if match}
        if sizes != {self._processes}:
            had = " and ".join(map(str, sorted(sizes))) or "no"
            raise bad_job(
                f"the checkpoint of step {manifest['step']} was written by {had} processes, and the recipe has {self._processes}: "
                f"set ray.nodes and ray.gpusPerNode so that they make {had}, or delete the checkpoints of stage "
                f"{self._checkpoints.stage_key[:12]} to begin anew"
            )
        return manifest
