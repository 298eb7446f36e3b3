"""The settings of a job as verl's configuration, composed and checked by verl itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .errors import bad_job
from .spec import Spec

# verl's token mean is over all tokens of an update, which is RM-R1's; Dr. GRPO divides by a constant length instead.
AGGREGATION = {"grpo": "token-mean", "dr-grpo": "seq-mean-token-sum-norm", "gspo": "seq-mean-token-mean"}
SCHEDULES = ("constant", "cosine")
# Imported by verl on every node: Ray unpacks the job's code there.
REWARD_MODULE = "pkg://rmr1_ray.reward"
CALLBACK = "rmr1_ray.verl_callback.StoredCheckpoints"


@dataclass(frozen=True)
class Layout:
    """Where a job's files lie: the same paths on every node, whose disks are their own."""

    root: Path

    @property
    def model(self) -> Path:
        return self.root / "model-in"

    @property
    def tokenizer(self) -> Path:
        return self.root / "tokenizer"

    @property
    def prompts(self) -> Path:
        return self.root / "prompts.parquet"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def rollouts(self) -> Path:
        return self.root / "rollouts"


def verl_settings(spec: Spec, layout: Layout) -> dict[str, object]:
    """RM-R1's settings by verl's keys. Raises JobError for what verl cannot do."""
    optimizer = spec["optimizer"]
    if optimizer["schedule"] not in SCHEDULES:
        raise bad_job(f"verl has no schedule {optimizer['schedule']!r}: set grpo.schedule to {' or '.join(SCHEDULES)}")
    if spec.get("lora") is not None:
        raise bad_job("adapters are trained by TRL: leave out grpo.lora, or set ray.grpoTrainer to trl")
    if spec["promptsPerStep"] % spec["miniBatches"]:
        raise bad_job(f"{spec['promptsPerStep']} prompts do not divide into {spec['miniBatches']} updates: change grpo.miniBatches")
    longest = spec["maxPromptTokens"] + spec["maxNewTokens"]
    each = spec["samplesPerDevice"]
    actor = {
        "strategy": "fsdp",
        "ppo_mini_batch_size": spec["promptsPerStep"] // spec["miniBatches"],
        "ppo_micro_batch_size_per_gpu": each,
        "ppo_epochs": 1,
        "shuffle": False,
        "data_loader_seed": spec["seed"] % 2**31,
        "clip_ratio": spec["clip"],
        "clip_ratio_low": spec["clip"],
        "clip_ratio_high": spec["clipHigh"],
        "loss_agg_mode": AGGREGATION[spec["objective"]],
        "policy_loss.loss_mode": "gspo" if spec["objective"] == "gspo" else "vanilla",
        "use_kl_loss": spec["klCoefficient"] > 0,
        "kl_loss_coef": spec["klCoefficient"],
        "kl_loss_type": "low_var_kl",
        "entropy_coeff": 0,
        "grad_clip": optimizer["gradClip"],
        "fsdp_config.dtype": spec["precision"],
        "fsdp_config.seed": spec["seed"] % 2**31,
        "checkpoint.save_contents": ["model", "optimizer", "extra"],
        "checkpoint.async_save": False,
        "optim.lr": optimizer["learningRate"],
        "optim.lr_scheduler_type": optimizer["schedule"],
        "optim.lr_warmup_steps": optimizer["warmupSteps"],
        "optim.min_lr_ratio": optimizer["finalShare"],
        "optim.weight_decay": optimizer["weightDecay"],
        "optim.betas": [optimizer["beta1"], optimizer["beta2"]],
        "optim.clip_grad": optimizer["gradClip"],
        "optim.override_optimizer_config": {"eps": optimizer["epsilon"]},
    }
    rollout = {
        "name": "vllm",
        "n": spec["groupSize"],
        "temperature": spec["temperature"],
        "top_p": spec["topP"],
        "dtype": "bfloat16" if spec["precision"] == "bfloat16" else "float32",
        "seed": spec["seed"] % 2**31,
        "tensor_model_parallel_size": spec["tensorParallel"],
        "gpu_memory_utilization": spec["gpuMemoryForRollouts"],
        "max_model_len": longest,
        "max_num_batched_tokens": max(longest, 8192),
        "log_prob_micro_batch_size_per_gpu": each,
    }
    trainer = {
        "nnodes": spec["nodes"],
        "n_gpus_per_node": spec["gpus"],
        "device": "cuda" if spec["gpus"] else "cpu",
        "use_v1": True,
        "v1.trainer_mode": "sync",
        "total_epochs": 1,
        "total_training_steps": spec["steps"],
        "save_freq": spec["checkpointEverySteps"],
        "test_freq": -1,
        "val_before_train": False,
        "logger": ["console"],
        "project_name": "rmr1",
        "experiment_name": spec["stageKey"][:20],
        "default_local_dir": str(layout.checkpoints),
        "rollout_data_dir": str(layout.rollouts),
        "resume_mode": "auto",
        # Files go when they are in the bucket; verl would delete them on one node only.
        "max_actor_ckpt_to_keep": None,
        "checkpoint_callback_class": CALLBACK,
    }
    return {
        "algorithm.adv_estimator": "grpo",
        "algorithm.norm_adv_by_std_in_grpo": spec["objective"] != "dr-grpo",
        "algorithm.use_kl_in_reward": False,
        "data.train_files": str(layout.prompts),
        "data.val_files": str(layout.prompts),
        "data.val_max_samples": 1,
        "data.train_batch_size": spec["promptsPerStep"],
        "data.max_prompt_length": spec["maxPromptTokens"],
        "data.max_response_length": spec["maxNewTokens"],
        # The file holds the prompts of all steps in the project's own order; too long ones were refused before.
        "data.shuffle": False,
        "data.filter_overlong_prompts": False,
        "data.truncation": "error",
        "data.dataloader_num_workers": 0,
        "reward.reward_manager.name": "naive",
        "reward.custom_reward_function.path": REWARD_MODULE,
        "reward.custom_reward_function.name": "compute_score",
        "actor_rollout_ref.model.path": str(layout.model),
        "actor_rollout_ref.model.tokenizer_path": str(layout.tokenizer),
        "actor_rollout_ref.model.enable_gradient_checkpointing": spec["gradientCheckpointing"],
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": each,
        "actor_rollout_ref.ref.fsdp_config.dtype": spec["precision"],
        **{f"actor_rollout_ref.actor.{key}": value for key, value in actor.items()},
        **{f"actor_rollout_ref.rollout.{key}": value for key, value in rollout.items()},
        **{f"trainer.{key}": value for key, value in trainer.items()},
    }


def compose(settings: Mapping[str, object]) -> Any:
    """
    verl's whole configuration with these settings, checked as its own entry point checks it. Needs no GPU and no file.
    Raises JobError with verl's reason.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    overrides = [f"{key}={_rendered(value)}" for key, value in settings.items()]
    try:
        with hydra.initialize_config_module("verl.trainer.config", version_base=None):
            config = hydra.compose("ppo_trainer", overrides)
        validate_config(config=config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
        for section in (config.actor_rollout_ref.rollout, config.algorithm):
            omega_conf_to_dataclass(section)
    except (HydraException, OmegaConfBaseException, ValueError, AssertionError, TypeError) as error:
        raise bad_job(f"verl refuses the configuration: {' '.join(str(error.__cause__ or error).split())}") from error
    return config


def _rendered(value: object) -> str:
    """A value in Hydra's grammar, which is JSON's but for the keys of a dictionary."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{json.dumps(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)
