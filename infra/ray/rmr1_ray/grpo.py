"""Reinforcement learning with TRL's GRPOTrainer and the ±1 correctness reward (RM-R1, section 3.2)."""

from __future__ import annotations

import json
from typing import Any

from .errors import bad_data, bad_job
from .model import load_model, load_tokenizer, stop_at
from .prompts import ordered_prompts
from .result import store_trained
from .reward import correctness_reward
from .run import ROLLOUTS, ROLLOUTS_RECORDED, Run, Supervised, train
from .spec import processes_of
from .trainers import accumulation, common_arguments, peft_config, project_trainer


def run_grpo(run: Run) -> bool:
    """Train to the end, or to a stop. Returns whether the stage is finished."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    spec = run.spec
    steps, group, mini = spec["steps"], spec["groupSize"], spec["miniBatches"]
    tokenizer = load_tokenizer(run.model_dir)
    ordered = ordered_prompts(run.data_file, tokenizer, spec)
    completions = spec["promptsPerStep"] * group
    if completions % mini:
        raise bad_job(f"{completions} completions a step do not divide into {mini} updates: change grpo.miniBatches")
    per_device, times = accumulation(completions // mini, spec)

    state: dict[str, Any] = {}

    def correctness(prompts: list[str], completions: list[str], **columns: list[Any]) -> list[float]:
        try:
            rewards = [float(correctness_reward(text, gold)) for text, gold in zip(completions, columns["gold"], strict=True)]
        except Exception as error:
            raise bad_data(f"the reward cannot be computed: {type(error).__name__}: {error}") from error
        state["rollouts"] = [
            {"id": id, "gold": gold, "text": text, "reward": int(reward)}
            for id, gold, text, reward in zip(columns["id"], columns["gold"], completions, rewards)
        ]
        return rewards

    def figures(logs: dict[str, float], step: int) -> dict[str, float]:
        if run.rank == 0 and (step in (1, steps) or step % spec["checkpointEverySteps"] == 0):
            with open(run.output / ROLLOUTS, "a", encoding="utf-8") as file:
                for rollout in state.get("rollouts", [])[: group * ROLLOUTS_RECORDED : group]:
                    file.write(json.dumps({"step": step, **rollout}, ensure_ascii=False) + "\n")
        length = logs["completions/mean_length"]
        return {
            "tokens": round(length * completions),
            "reward": logs["reward"],
            "informativeGroups": 1 - logs["frac_reward_zero_std"],
            "kl": logs.get("kl", 0.0),
            "clipShare": logs.get("clip_ratio/region_mean", 0.0),
            "completionTokens": length,
        }

    model = load_model(spec, run.model_dir)
    stop_at(model, tokenizer)
    supervised = Supervised(run, steps, mini, figures)
    trainer_class = project_trainer(GRPOTrainer, spec, steps, mini, epochs=False)
    trainer = trainer_class(
        model=model,
        processing_class=tokenizer,
        reward_funcs=correctness,
        train_dataset=Dataset.from_list([{key: row[key] for key in ("prompt", "gold", "id")} for row in ordered]),
        peft_config=peft_config(spec),
        callbacks=[supervised],
        args=GRPOConfig(
            **common_arguments(spec, str(run.output), steps * mini),
            **objective_arguments(spec, times),
            per_device_train_batch_size=per_device,
            gradient_accumulation_steps=times,
            steps_per_generation=mini * times,
            num_generations=group,
            num_iterations=1,
            temperature=spec["temperature"],
            top_p=spec["topP"],
            max_completion_length=spec["maxNewTokens"],
            beta=spec["klCoefficient"],
            epsilon=spec["clip"],
            epsilon_high=spec["clipHigh"],
            shuffle_dataset=False,
            remove_unused_columns=False,
            **rollout_arguments(spec),
        ),
    )
    if not train(run, trainer, supervised):
        return False
    store_trained(run, trainer, steps)
    return True


def objective_arguments(spec: dict[str, Any], times: int) -> dict[str, Any]:
    """TRL's names for the forms of the objective; its defaults are not RM-R1's."""
    # A mean over the tokens of an update: TRL's bnpo takes it over what a device sees at once.
    token_mean = "bnpo" if times == 1 and processes_of(spec) == 1 else "dapo"
    return {
        "loss_type": {"grpo": token_mean, "dr-grpo": "dr_grpo", "gspo": "grpo"}[spec["objective"]],
        "importance_sampling_level": "sequence" if spec["objective"] == "gspo" else "token",
        "scale_rewards": "none" if spec["objective"] == "dr-grpo" else "group",
        # Plain k3, not weighed by the importance ratio.
        "use_bias_correction_kl": False,
    }


def rollout_arguments(spec: dict[str, Any]) -> dict[str, Any]:
    if not spec["vllm"]:
        return {"use_vllm": False}
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": spec["gpuMemoryForRollouts"],
        "vllm_tensor_parallel_size": spec["tensorParallel"],
    }
