"""verl's figures of a step as the supervisor's, and what is recorded of them."""

from __future__ import annotations

import json
import math
import shutil
import threading
import time
from pathlib import Path
from typing import Any, Callable

from .errors import bad_job
from .events import emit
from .run import METRICS, ROLLOUTS, ROLLOUTS_RECORDED
from .spec import Spec


class StepReports:
    """
    A backend of verl's `Tracking`. Each step's rollouts lie in a file of `dumps`, where verl has written them; `settled`
    waits for its writer. `prompt_ids` gives the ids of a step's pairs by their prompts as verl shows them.
    """

    def __init__(self, spec: Spec, output: Path, dumps: Path, prompt_ids: Callable[[int], dict[str, str]]) -> None:
        self._spec = spec
        self._output = output
        self._dumps = dumps
        self._prompt_ids = prompt_ids
        self._changed = threading.Condition()
        self._clock = time.monotonic()
        self.step = 0
        self.settled: Callable[[], None] = lambda: None

    def begin(self, step: int) -> None:
        """The next step is the one behind `step`."""
        self.step, self._clock = step, time.monotonic()

    def log(self, data: dict[str, Any], step: int) -> None:
        """Record and report a step. Raises JobError where training diverges."""
        for name in ("actor/loss", "actor/grad_norm"):
            if not math.isfinite(float(data[name])):
                raise bad_job(f"training diverged: {name} is {data[name]} at step {step}; lower the stage's learningRate")
        spec = self._spec
        now = time.monotonic()
        seconds, self._clock = round(now - self._clock, 3), now
        length = float(data["response_length/mean"])
        rollouts = self._read_rollouts(step)
        metrics = {
            "step": step,
            "learningRate": float(data["actor/lr"]),
            "gradNorm": float(data["actor/grad_norm"]),
            "loss": float(data["actor/loss"]),
            "tokens": round(length * len(rollouts)),
            "reward": float(data["critic/score/mean"]),
            "informativeGroups": informative_groups(rollouts),
            "kl": float(data.get("actor/kl_loss", 0.0)),
            "clipShare": float(data.get("actor/pg_clipfrac", 0.0)),
            "completionTokens": length,
            "seconds": seconds,
        }
        if step in (1, spec["steps"]) or step % spec["checkpointEverySteps"] == 0:
            self._record_rollouts(step, rollouts)
        with open(self._output / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        emit("progress", total=spec["steps"], metrics=metrics, tokensPerSecond=round(metrics["tokens"] / max(seconds, 0.001)))
        with self._changed:
            self.step = step
            self._changed.notify_all()

    def finish(self) -> None:
        """verl calls it at the end of its run."""

    def records(self, step: int) -> Path:
        """A directory with the records up to a step, once that step was reported."""
        with self._changed:
            self._changed.wait_for(lambda: self.step >= step)
        kept = self._output / f"records-{step}"
        kept.mkdir(exist_ok=True)
        for name in (METRICS, ROLLOUTS):
            if (self._output / name).exists():
                lines = (self._output / name).read_text("utf-8").splitlines(keepends=True)
                (kept / name).write_text("".join(line for line in lines if json.loads(line)["step"] <= step), "utf-8")
        return kept

    def restore(self, records: Path) -> None:
        """Go on from the records of a checkpoint."""
        for name in (METRICS, ROLLOUTS):
            if (records / name).exists():
                shutil.copyfile(records / name, self._output / name)

    def _read_rollouts(self, step: int) -> list[dict[str, Any]]:
        self.settled()
        path = self._dumps / f"{step}.jsonl"
        with open(path, encoding="utf-8") as file:
            rollouts = [json.loads(line) for line in file]
        path.unlink()
        return rollouts

    def _record_rollouts(self, step: int, rollouts: list[dict[str, Any]]) -> None:
        ids = self._prompt_ids(step)
        first = {group_of(rollout): rollout for rollout in reversed(rollouts)}
        with open(self._output / ROLLOUTS, "a", encoding="utf-8") as file:
            for rollout in list(reversed(first.values()))[:ROLLOUTS_RECORDED]:
                line = {
                    "step": step,
                    "id": ids[rollout["input"]],
                    "gold": rollout["gts"],
                    "text": rollout["output"],
                    "reward": int(rollout["score"]),
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def group_of(rollout: dict[str, Any]) -> str:
    """The prompt that a rollout answers: verl's keys are prompt_sample_part."""
    return str(rollout["uid"]).rsplit("_", 2)[0]


def informative_groups(rollouts: list[dict[str, Any]]) -> float:
    """The share of groups whose rewards differ; the others teach nothing."""
    rewards: dict[str, set[float]] = {}
    for rollout in rollouts:
        rewards.setdefault(group_of(rollout), set()).add(rollout["score"])
    return sum(len(each) > 1 for each in rewards.values()) / max(1, len(rewards))
