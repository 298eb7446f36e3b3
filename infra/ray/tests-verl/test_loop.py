"""verl's own training loop with our hooks; only what needs a GPU is replaced: rollouts, updates, the weights' files."""

import json
import types

import pytest
import torch
from fake_s3 import FakeS3
from omegaconf import OmegaConf
from small import new_spec
from verl.trainer.ppo.checkpoint_callback import build_checkpoint_callback
from verl.trainer.ppo.v1 import trainer_base

from rmr1_ray.errors import JobError
from rmr1_ray.run import METRICS, ROLLOUTS
from rmr1_ray.verl_callback import when_saved
from rmr1_ray.verl_config import Layout, compose, verl_settings
from rmr1_ray.verl_steps import StepReports
from rmr1_ray.verl_trainer import Hooks, Preempted, hooked_trainer


def figures(step):
    return {
        "actor/loss": 0.5 / step,
        "actor/grad_norm": 1.5,
        "actor/lr": 1e-6,
        "actor/kl_loss": 0.01,
        "actor/pg_clipfrac": 0.125,
        "critic/score/mean": 0.5,
        "response_length/mean": 3.0,
    }


class Job:
    """A loop of 4 steps with 2 prompts of 4 rollouts each, saved every 2 steps."""

    def __init__(self, tmp, monkeypatch, capsys, begin=0, stop_in=None, data=figures):
        spec = new_spec(tmp, FakeS3())
        layout = Layout(tmp)
        self.output = tmp / "out"
        self.output.mkdir()
        self.saves, self.updates, self.capsys = [], [], capsys
        self.reports = StepReports(spec, self.output, layout.rollouts, lambda step: {f"p{i}": f"id{i}" for i in range(2)})
        self.stop_in, self.stopping = stop_in, False
        hooks = Hooks(4, self.reports, lambda: self.stopping, lambda step, _: self.saves.append(step), lambda ranks: begin)
        when_saved(hooks.saved)
        hooks.saved_step = begin
        self.trainer = trainer = hooked_trainer(hooks).__new__(hooked_trainer(hooks))
        trainer.config = compose(verl_settings(spec, layout))
        OmegaConf.resolve(trainer.config)
        trainer.global_steps, trainer.use_critic, trainer.trainer_mode = begin, False, "sync"
        trainer.steps_per_epoch, trainer.total_training_steps = 4, 4
        trainer.checkpoint_callback = build_checkpoint_callback(trainer.config)
        trainer.train_dataloader = types.SimpleNamespace(state_dict=dict)
        trainer.actor_rollout_wg = types.SimpleNamespace(save_checkpoint=lambda *_, **__: None)
        trainer.checkpoint_manager = types.SimpleNamespace(update_weights=self.updates.append)
        trainer._init_dump_executor()
        trainer.step = self.step
        trainer._compute_metrics = lambda batch, metrics, timing, global_steps, epoch: metrics.update(data(global_steps))
        trainer._log_rollout_data = self.dump
        monkeypatch.setattr(trainer_base.tq, "kv_clear", lambda **_: None)
        monkeypatch.setattr("rmr1_ray.verl_trainer.parameters_of", lambda _: 99)

    def step(self, metrics, timing):
        self.stopping = self.stopping or self.trainer.global_steps == self.stop_in
        return types.SimpleNamespace(keys=["k"], partition_id="train")

    def dump(self, batch, timing, directory):
        """The first prompt's rollouts differ in their rewards, the second's do not."""
        prompts = [i for i in range(2) for _ in range(4)]
        self.trainer._dump_generations(
            inputs=[f"p{i}" for i in prompts],
            outputs=[f"text {n}" for n in range(8)],
            gts=["AB"[i] for i in prompts],
            scores=[1.0 if n == 1 else -1.0 for n in range(8)],
            reward_extra_infos_dict={"uid": [f"u{i}_x_{n % 4}_0" for n, i in enumerate(prompts)]},
            dump_path=directory,
        )

    def fit(self):
        self.trainer.fit(types.SimpleNamespace())

    def lines(self, name):
        return [json.loads(line) for line in (self.output / name).read_text().splitlines()]

    def events(self):
        said = self.capsys.readouterr().out.splitlines()
        return [json.loads(line.split("RMR1_EVENT ")[1]) for line in said if "RMR1_EVENT " in line]


def test_every_step_is_reported_with_the_figures_of_trl(tmp_path, monkeypatch, capsys):
    job = Job(tmp_path, monkeypatch, capsys)
    job.fit()
    events = job.events()
    assert events[0] == {"type": "started", "totalSteps": 4, "resumedAt": 0, "parameters": 99}
    progress = [event for event in events if event["type"] == "progress"]
    assert [event["metrics"]["step"] for event in progress] == [1, 2, 3, 4]
    assert job.lines(METRICS) == [event["metrics"] for event in progress]
    first = {name: value for name, value in progress[0]["metrics"].items() if name != "seconds"}
    assert first == {
        **{"step": 1, "learningRate": 1e-6, "gradNorm": 1.5, "loss": 0.5, "tokens": 24, "reward": 0.5},
        **{"informativeGroups": 0.5, "kl": 0.01, "clipShare": 0.125, "completionTokens": 3.0},
    }
    assert job.saves == [2, 4]
    assert (tmp_path / "checkpoints" / "latest_checkpointed_iteration.txt").read_text() == "4"


def test_rollouts_are_recorded_where_a_checkpoint_is(tmp_path, monkeypatch, capsys):
    job = Job(tmp_path, monkeypatch, capsys)
    job.fit()
    rollouts = job.lines(ROLLOUTS)
    assert [rollout["step"] for rollout in rollouts] == [1, 1, 2, 2, 4, 4]
    assert rollouts[0] == {"step": 1, "id": "id0", "gold": "A", "text": "text 0", "reward": -1}
    # verl's own files would fill the disk.
    assert list(Layout(tmp_path).rollouts.iterdir()) == []


def test_records_of_a_checkpoint_end_with_its_step(tmp_path, monkeypatch, capsys):
    job = Job(tmp_path, monkeypatch, capsys)
    job.fit()
    kept = job.reports.records(2)
    assert [json.loads(line)["step"] for line in (kept / METRICS).read_text().splitlines()] == [1, 2]
    assert [json.loads(line)["step"] for line in (kept / ROLLOUTS).read_text().splitlines()] == [1, 1, 2, 2]


@pytest.mark.parametrize(("stop_in", "saved"), [(1, [1]), (2, [2]), (3, [2, 3])])
def test_a_stop_saves_the_step_and_ends_behind_it(tmp_path, monkeypatch, capsys, stop_in, saved):
    job = Job(tmp_path, monkeypatch, capsys, stop_in=stop_in)
    with pytest.raises(Preempted):
        job.fit()
    assert job.saves == saved
    assert [line["step"] for line in job.lines(METRICS)] == list(range(1, stop_in + 1))


def test_a_stop_in_the_last_step_changes_nothing(tmp_path, monkeypatch, capsys):
    job = Job(tmp_path, monkeypatch, capsys, stop_in=4)
    job.fit()
    assert (job.saves, job.reports.step) == ([2, 4], 4)


def test_a_resumed_loop_goes_on_behind_its_step(tmp_path, monkeypatch, capsys):
    job = Job(tmp_path, monkeypatch, capsys, begin=2)
    job.fit()
    assert job.events()[0]["resumedAt"] == 2
    assert [line["step"] for line in job.lines(METRICS)] == [3, 4]
    assert job.saves == [4]


def test_training_that_diverges_ends_at_once_and_is_not_retried(tmp_path, monkeypatch, capsys):
    job = Job(tmp_path, monkeypatch, capsys, data=lambda step: {**figures(step), "actor/grad_norm": torch.nan if step == 3 else 1.0})
    with pytest.raises(JobError, match="grad_norm is nan at step 3; lower") as refused:
        job.fit()
    assert refused.value.code == 64
    assert [line["step"] for line in job.lines(METRICS)] == [1, 2]
