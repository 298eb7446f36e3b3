"""
Reinforcement learning with verl on one or several nodes: FSDP, rollouts by vLLM, the ±1 correctness reward (RM-R1,
section 3.2). This process is verl's driver; verl places its own processes on the cluster's GPUs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from .data import ids_of
from .errors import JobError, bad_job
from .events import emit
from .model import load_tokenizer
from .prompts import ordered_prompts
from .run import Run, StopRequest
from .spec import Spec
from .uploads import Uploads
from .verl_checkpoints import RECORDS, ShardedCheckpoints
from .verl_config import Layout, compose, verl_settings
from .verl_data import write_prompts
from .verl_merge import merge_shards
from .verl_nodes import Nodes, RayNodes, prepare_node, remove_node, wait_for_gpus
from .verl_steps import StepReports
from .verl_trainer import Hooks, Preempted, train_with_verl


def work_directory(spec: Spec) -> Path:
    """The same on every node, and another for each attempt."""
    return Path(tempfile.gettempdir()) / f"rmr1-verl-{spec['stageKey'][:20]}-{spec['attempt']}"


def run_grpo_verl(run: Run) -> bool:
    """Train to the end, or to a stop. Returns whether the stage is finished."""
    if run.spec["gpus"] == 0:
        raise bad_job("verl trains on GPUs: set ray.gpusPerNode, or ray.grpoTrainer to trl")
    config = compose(verl_settings(run.spec, Layout(run.work)))
    run.checkpoints.assert_held()
    with connected(config):
        nodes = RayNodes()
        try:
            return VerlStage(run, nodes).run(config)
        finally:
            clear(nodes, run.work)


class VerlStage:
    """One attempt on nodes that can be reached."""

    def __init__(self, run: Run, nodes: Nodes) -> None:
        self._run = run
        self._nodes = nodes
        self._layout = Layout(run.work)
        self._steps: int = run.spec["steps"]
        self._rows: list[dict[str, Any]] = []
        run.output.mkdir(parents=True, exist_ok=True)
        self._reports = StepReports(run.spec, run.output, self._layout.rollouts, self.prompts_of)
        processes = run.spec["nodes"] * run.spec["gpus"]
        self._checkpoints = ShardedCheckpoints(run.checkpoints, nodes, processes, self._reports.records)

    def run(self, config: Any) -> bool:
        """Train from where the stage stands. Returns False where it was preempted; its last checkpoint is stored then."""
        # An attempt may have died behind its last step.
        if self._checkpoints.newest() == self._steps and self.finish():
            return True
        wait_for_gpus(self._run.spec["nodes"], self._run.spec["gpus"])
        emit("alive", doing="fetching model and data")
        self.fetch()
        if not self.train(config):
            return False
        if not self.finish():
            raise JobError("Failed", f"verl's run ended, but its checkpoint of step {self._steps} is not whole in the store")
        return True

    def fetch(self) -> None:
        """The model to every node, the prompts to this one."""
        run, gpus = self._run, self._nodes.with_gpus()
        model = run.spec["model"]
        self._nodes.run(prepare_node, {node: (run.work, model, node in gpus) for node in self._nodes.all()})
        run.store.fetch(run.spec["data"], run.data_file)
        self._rows = ordered_prompts(run.data_file, load_tokenizer(self._layout.model), run.spec)
        write_prompts(self._rows, self._layout.prompts)

    def train(self, config: Any) -> bool:
        """verl's loop. Returns whether it came to its last step; raises where it ended before it unasked."""
        run = self._run
        stop = StopRequest(run.store, run.record("stop"))
        uploads = Uploads(self._checkpoints, self._checkpoints.discard)
        hooks = Hooks(self._steps, self._reports, lambda: stop.asked, uploads.add, self.place)
        try:
            train_with_verl(config, hooks)
        except Preempted:
            uploads.settle()
            return False
        finally:
            stop.end()
        # verl ends without an error where its data ends too early.
        if self._reports.step != self._steps:
            raise JobError("Failed", f"verl's run ended at step {self._reports.step} of {self._steps}")
        uploads.settle()
        return True

    def place(self, ranks: list[str]) -> int:
        """Put the newest checkpoint where verl looks for it. Returns its step."""
        emit("alive", doing="fetching the checkpoint")
        step = self._checkpoints.place(self._layout.checkpoints, ranks, self._run.work)
        self._reports.restore(self._run.work / RECORDS)
        return step

    def finish(self) -> bool:
        """Merge the last checkpoint and store the model as the stage's result. Returns False where there is none, whole."""
        run, final = self._run, self._run.work / "final"
        emit("alive", doing="fetching the shards of the model")
        if not self._checkpoints.fetch_model(self._steps, final):
            return False
        prepare_node(run.store, run.work, run.spec["model"], weights=False)
        self._reports.restore(final / RECORDS)
        merge_shards(final / "actor", self._layout.model, run.output / "model")
        run.finish(self._steps, self._steps, run.output / "model")
        return True

    def prompts_of(self, step: int) -> dict[str, str]:
        """Ids of a step's pairs by their prompts as verl shows them, without special tokens."""
        tokenizer = load_tokenizer(self._layout.model)
        size = self._run.spec["promptsPerStep"]
        shown: dict[str, str] = {}
        for row in self._rows[(step - 1) * size : step * size]:
            shown[str(tokenizer.decode(ids_of(tokenizer, row["prompt"]), skip_special_tokens=True))] = row["id"]
        return shown


@contextmanager
def connected(config: Any) -> Iterator[None]:
    """This process as a driver of the cluster that started it, with the environment that verl gives its processes."""
    import ray
    from verl.trainer.constants_ppo import get_ppo_ray_runtime_env

    environment = dict(get_ppo_ray_runtime_env(config))
    if "RMR1_VERL_PYTHON" in os.environ:
        # Every process of the job has the packages that this one has, wherever Ray itself was started from.
        environment["py_executable"] = sys.executable
    ray.init(runtime_env=environment)
    try:
        yield
    finally:
        ray.shutdown()


def clear(nodes: Nodes, work: Path) -> None:
    """Delete the job's files everywhere; that some stay is no failure of the training."""
    try:
        nodes.run(remove_node, {node: (work,) for node in nodes.all()})
    except Exception as error:  # noqa: BLE001
        print(f"files below {work} may be left on some nodes: {error}", flush=True)
