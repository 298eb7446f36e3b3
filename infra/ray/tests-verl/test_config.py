"""Configurations of the paper's recipes, composed and checked by verl."""

from pathlib import Path

import pytest

from rmr1_ray.errors import JobError
from rmr1_ray.spec import check_spec
from rmr1_ray.verl_config import Layout, compose, verl_settings

LAYOUT = Layout(Path("/tmp/rmr1-verl-x-1"))
RATES = {
    "rm-r1-qwen2.5-7b-instruct": 1e-6,
    "rm-r1-qwen2.5-14b-instruct": 7e-7,
    "rm-r1-qwen2.5-32b-instruct": 5e-7,
    "rm-r1-deepseek-distilled-7b": 1e-6,
    "rm-r1-deepseek-distilled-14b": 1e-6,
    "rm-r1-deepseek-distilled-32b": 8e-7,
}
NODES = {"7b": 1, "14b": 2, "32b": 4}


@pytest.mark.parametrize("name", RATES)
def test_the_settings_of_the_paper_are_verls(paper_specs, name):
    spec = check_spec(paper_specs[name])
    config = compose(verl_settings(spec, LAYOUT))
    nodes = next(nodes for size, nodes in NODES.items() if size in name)
    actor, rollout, trainer = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout, config.trainer
    assert (trainer.nnodes, trainer.n_gpus_per_node) == (nodes, 8)
    assert (trainer.total_training_steps, trainer.save_freq, trainer.total_epochs) == (spec["steps"], 10, 1)
    assert config.algorithm.adv_estimator == "grpo"
    assert (config.data.train_batch_size, actor.ppo_mini_batch_size, actor.ppo_epochs) == (1024, 128, 1)
    assert (config.data.max_prompt_length, config.data.max_response_length) == (4096, 8192)
    assert (rollout.name, rollout.n, rollout.temperature, rollout.top_p) == ("vllm", 7, 1.0, 1.0)
    assert (rollout.prompt_length, rollout.response_length, rollout.max_model_len) == (4096, 8192, 12288)
    assert (actor.optim.lr, actor.optim.lr_scheduler_type, actor.optim.weight_decay) == (RATES[name], "constant", 0.01)
    assert (list(actor.optim.betas), actor.optim.clip_grad, actor.optim.lr_warmup_steps) == ([0.9, 0.999], 1.0, 0)
    assert (actor.clip_ratio_low, actor.clip_ratio_high, actor.loss_agg_mode) == (0.2, 0.2, "token-mean")
    assert (actor.use_kl_loss, actor.kl_loss_coef, actor.kl_loss_type) == (True, 0.001, "low_var_kl")
    assert (actor.entropy_coeff, config.algorithm.use_kl_in_reward) == (0, False)
    assert (actor.strategy, actor.fsdp_config.dtype, actor.fsdp_config.model_dtype) == ("fsdp", "bfloat16", "fp32")
    assert config.actor_rollout_ref.model.enable_gradient_checkpointing
    assert not config.data.shuffle


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainer.nnnodes": 2}, "nnnodes"),
        ({"actor_rollout_ref.actor.ppo_mini_batch_size": 2048}, "train_batch_size.*2048"),
        ({"trainer.nnodes": 5}, "divisible"),
        ({"actor_rollout_ref.actor.optim.lr_scheduler_type": "linear"}, "."),
    ],
)
def test_verl_refuses_what_cannot_work(paper_specs, changes, said):
    settings = verl_settings(check_spec(paper_specs["rm-r1-qwen2.5-7b-instruct"]), LAYOUT)
    with pytest.raises(JobError, match=said) as refused:
        compose({**settings, **changes})
    assert refused.value.code == 64


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"miniBatches": 7}, "grpo.miniBatches"),
        ({"lora": {"rank": 8, "alpha": 16, "targets": ["q_proj"]}}, "grpo.lora"),
        ({"schedule": "linear"}, "grpo.schedule"),
    ],
)
def test_what_verl_does_not_do_is_refused_by_our_names(paper_specs, changes, said):
    spec = paper_specs["rm-r1-qwen2.5-7b-instruct"]
    if "schedule" in changes:
        changes = {"optimizer": {**spec["optimizer"], **changes}}
    with pytest.raises(JobError, match=said):
        verl_settings(check_spec({**spec, **changes}), LAYOUT)


@pytest.mark.parametrize(
    ("objective", "mode", "aggregation", "scaled"),
    [("dr-grpo", "vanilla", "seq-mean-token-sum-norm", False), ("gspo", "gspo", "seq-mean-token-mean", True)],
)
def test_other_objectives(paper_specs, objective, mode, aggregation, scaled):
    spec = check_spec({**paper_specs["rm-r1-qwen2.5-7b-instruct"], "objective": objective})
    config = compose(verl_settings(spec, LAYOUT))
    actor = config.actor_rollout_ref.actor
    assert (actor.policy_loss.loss_mode, actor.loss_agg_mode) == (mode, aggregation)
    assert config.algorithm.norm_adv_by_std_in_grpo is scaled
