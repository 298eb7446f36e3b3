"""verl's own training loop in this process, with what it lacks at its hooks: reports, stop, shards from the bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from .crash_point import crash_point
from .events import emit
from .verl_callback import when_saved
from .verl_steps import StepReports


class Preempted(Exception):
    """Training was asked to end early, and has."""


class Hooks:
    """What a job does at the moments of verl's loop."""

    def __init__(
        self,
        total: int,
        reports: StepReports,
        stop_asked: Callable[[], bool],
        saved: Callable[[int, Path], None],
        place: Callable[[list[str]], int],
    ) -> None:
        self.total = total
        self.reports = reports
        self.stop_asked = stop_asked
        self.place = place
        self.saved_step = 0
        self._saved = saved

    def saved(self, step: int, directory: Path) -> None:
        self.saved_step = step
        self._saved(step, directory)


def train_with_verl(config: Any, hooks: Hooks) -> None:
    """Run verl's loop to its end. Raises Preempted where it was asked to end early; its last checkpoint is written then."""
    from verl.trainer.main_ppo import TaskRunnerV1
    from verl.trainer.ppo.v1 import trainer_base

    when_saved(hooks.saved)
    # verl would have Ray place its loop on any node; here it stays in the job, whose log, signals and exit code count.
    runner = TaskRunnerV1.__ray_metadata__.modified_class()
    trainer_base.TRAINER_REGISTRY["sync"] = hooked_trainer(hooks)
    runner.run(config)


def hooked_trainer(hooks: Hooks) -> type[Any]:
    """verl's synchronous trainer with the hooks of a job."""
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

    class HookedTrainer(PPOTrainerSync):  # type: ignore[misc]
        def _load_checkpoint(self) -> None:
            hooks.saved_step = hooks.place(nodes_of(self.actor_rollout_wg.workers))
            super()._load_checkpoint()

        def on_train_begin(self) -> None:
            super().on_train_begin()
            hooks.reports.settled = self._settle_dumps
            self.logger.logger["rmr1"] = hooks.reports
            hooks.reports.begin(self.global_steps - 1)
            emit("started", totalSteps=hooks.total, resumedAt=self.global_steps - 1, parameters=parameters_of(self))

        def _settle_dumps(self) -> None:
            for each in list(self._dump_futures):
                each.result()

        def on_step_begin(self) -> None:
            if hooks.stop_asked() and hooks.saved_step == self.global_steps - 1:
                raise Preempted()
            super().on_step_begin()

        def on_step_end(self) -> None:
            crash_point(f"ray.step-{self.global_steps}")
            if hooks.stop_asked() and hooks.saved_step != self.global_steps < hooks.total:
                self._save_checkpoint()
            super().on_step_end()

    return HookedTrainer


def nodes_of(workers: list[Any]) -> list[str]:
    """The node of each process, by rank."""
    import ray

    return list(ray.get([worker.__ray_call__.remote(_node) for worker in workers]))


def _node(_: Any) -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def parameters_of(trainer: Any) -> int:
    """Weights of the model that is trained, computed from its configuration without allocating any."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.from_pretrained(trainer.config.actor_rollout_ref.model.path)
        )
    return sum(parameter.numel() for parameter in model.parameters())
