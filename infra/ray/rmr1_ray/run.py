"""What every training job does around its trainer: fetch, resume, record, report, checkpoint, stop, store the result."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any, Callable

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from .crash_point import crash_point
from .errors import JobError, bad_job
from .events import emit
from .processes import agreed, gather_random_states, require_same_step
from .spec import Spec
from .store import Checkpoints, Store
from .uploads import Uploads

METRICS = "metrics.jsonl"
ROLLOUTS = "rollouts.jsonl"
# Sample rollouts recorded at a step that ends in a checkpoint.
ROLLOUTS_RECORDED = 4
STOP_POLL_SECONDS = 2.0
FETCH_POLL_SECONDS = 0.1
StepFigures = Callable[[dict[str, float], int], dict[str, float]]


class StopRequest:
    """Whether somebody asked for a last checkpoint and the end: the worker by a record, the system by SIGTERM."""

    def __init__(self, store: Store, key: str) -> None:
        self._asked = threading.Event()
        self._done = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self._asked.set())
        self._look(store, key)
        threading.Thread(target=self._poll, args=(store, key), name="stop", daemon=True).start()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def end(self) -> None:
        self._done.set()

    def _poll(self, store: Store, key: str) -> None:
        while not self._asked.is_set() and not self._done.wait(STOP_POLL_SECONDS):
            self._look(store, key)
        if self._asked.is_set():
            emit("alive", doing="stopping")

    def _look(self, store: Store, key: str) -> None:
        try:
            if store.exists(key):
                self._asked.set()
        except Exception as error:  # noqa: BLE001 - a store that is away asks for nothing
            print(f"the stop record cannot be read: {error}", flush=True)


class Run:
    """One attempt at one stage."""

    def __init__(self, store: Store, spec: Spec, work: Path) -> None:
        self.store = store
        self.spec = spec
        self.work = work
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        # What the processes of a node have in common: model, data, checkpoint.
        self.shared = Path(os.environ.get("RMR1_NODE_DIR", work))
        self.model_dir = self.shared / "model-in"
        self.data_file = self.shared / "data.jsonl"
        self.output = work / "out"
        self.checkpoints = Checkpoints(store, spec["stageKey"], spec["attempt"])
        self.resume_dir: Path | None = None
        self.resumed_at = 0
        self.began = time.monotonic()

    def fetch(self) -> None:
        """Model, data and the newest checkpoint, from the store to this node's disk: once for all of its processes."""
        emit("alive", doing="fetching model and data")
        self.checkpoints.assert_held()
        self.output.mkdir(parents=True, exist_ok=True)
        directory, fetched = self.shared / "checkpoint", self.shared / "fetched.json"
        if os.environ.get("LOCAL_RANK", "0") == "0":
            self.store.fetch_directory(self.spec["model"], self.model_dir)
            self.store.fetch(self.spec["data"], self.data_file)
            step = self.checkpoints.fetch(directory)
            fetched.with_suffix(".part").write_text(json.dumps(step))
            os.rename(fetched.with_suffix(".part"), fetched)
        while not fetched.exists():
            # Where fetching fails, whoever started this process ends it.
            time.sleep(FETCH_POLL_SECONDS)
        step = json.loads(fetched.read_text())
        if step is None:
            return
        self.resume_dir, self.resumed_at = directory, step
        for name in (METRICS, ROLLOUTS):
            if (directory / name).exists():
                shutil.copyfile(directory / name, self.output / name)

    def finish(self, step: int, total: int, model: Path, adapter: Path | None = None) -> None:
        """Store the outputs, then the record that says so; it is what the supervisor believes."""
        emit("alive", doing="storing the model")
        outputs = {
            "model": self.store.put_directory("model", model),
            "metrics": self.store.put_artifact("metrics", self.output / METRICS),
        }
        if adapter is not None:
            outputs["adapter"] = self.store.put_directory("adapter", adapter)
        if (self.output / ROLLOUTS).exists():
            outputs["rollouts"] = self.store.put_artifact("outputs", self.output / ROLLOUTS)
        crash_point("ray.before-result")
        self.checkpoints.assert_held()
        result = {
            "format": "rmr1-training-result/1",
            "attempt": self.spec["attempt"],
            "step": step,
            "totalSteps": total,
            "outputs": outputs,
            "seconds": round(time.monotonic() - self.began, 3),
        }
        self.store.put_json(self.record("result"), result)

    def record(self, name: str) -> str:
        return f"checkpoints/{self.spec['stageKey']}/ray/attempt-{self.spec['attempt']}/{name}.json"


class Supervised(TrainerCallback):
    """A trainer's steps as the supervisor sees them. A step may have several updates."""

    def __init__(self, run: Run, total: int, updates_per_step: int, figures: StepFigures) -> None:
        self.run = run
        self.total = total
        self.updates = updates_per_step
        self.figures = figures
        self.uploads = Uploads(run.checkpoints)
        self.stop = StopRequest(run.store, run.record("stop"))
        self.preempted = False
        self.parts: list[dict[str, float]] = []
        self.clock = self.save_began = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        require_same_step(state.global_step, args)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        emit("started", totalSteps=self.total, resumedAt=state.global_step // self.updates, parameters=parameters)
        self.clock = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % self.updates:
            return
        step = state.global_step // self.updates
        crash_point(f"ray.step-{step}")
        due = step % self.run.spec["checkpointEverySteps"] == 0 and step < self.total
        stopping = agreed(self.stop.asked, args) and step < self.total
        if stopping:
            self.preempted = True
            control.should_training_stop = True
        control.should_save = due or stopping
        self.save_began = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        self.parts.append(logs)
        if len(self.parts) < self.updates:
            return
        parts, self.parts = self.parts, []
        step = state.global_step // self.updates
        merged = {name: value for part in reversed(parts) for name, value in part.items()}
        for name in ("loss", "grad_norm"):
            merged[name] = sum(part[name] for part in parts) / len(parts)
            if merged[name] != merged[name] or abs(merged[name]) == float("inf"):
                raise bad_job(f"training diverged: {name} is {merged[name]} at step {step}; lower the stage's learningRate")
        if self.run.rank != 0:
            return
        now = time.monotonic()
        seconds, self.clock = round(now - self.clock, 3), now
        metrics = {
            "step": step,
            "learningRate": parts[0]["learning_rate"],
            "gradNorm": merged["grad_norm"],
            "loss": merged["loss"],
            **self.figures(merged, step),
            "seconds": seconds,
        }
        with open(self.run.output / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        emit(
            "progress",
            total=self.total,
            metrics=metrics,
            tokensPerSecond=round(metrics["tokens"] / max(seconds, 0.001)),
        )

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        saved = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        gather_random_states(saved, args)
        if self.run.rank != 0:
            shutil.rmtree(saved, ignore_errors=True)
            return
        for name in (METRICS, ROLLOUTS):
            if (self.run.output / name).exists():
                shutil.copyfile(self.run.output / name, saved / name)
        step = state.global_step // self.updates
        waiting = self.run.work / "uploads" / f"step-{step}"
        waiting.parent.mkdir(exist_ok=True)
        shutil.rmtree(waiting, ignore_errors=True)
        os.rename(saved, waiting)
        self.uploads.add(step, waiting, time.monotonic() - self.save_began)


def train(run: Run, trainer: Any, supervised: Supervised) -> bool:
    """Run the trainer from where it stands. Returns False where it was preempted; its last checkpoint is stored then."""
    trainer.train(resume_from_checkpoint=str(run.resume_dir) if run.resume_dir else None)
    supervised.stop.end()
    supervised.uploads.settle()
    if supervised.preempted:
        return False
    step = trainer.state.global_step
    if step != supervised.total * supervised.updates:
        raise JobError("Failed", f"the trainer ended at update {step} of {supervised.total * supervised.updates}")
    return True
