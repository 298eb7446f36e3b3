"""Settings that all of TRL's trainers share, and what this project changes in them."""

from __future__ import annotations

from typing import Any, Sized

from .errors import bad_job
from .order import EpochSampler
from .schedule import learning_rate
from .spec import Spec, processes_of


def common_arguments(spec: Spec, output: str, updates: int) -> dict[str, Any]:
    """Arguments of `TrainingArguments` for `updates` optimiser steps."""
    optimizer = spec["optimizer"]
    gpus = spec["gpus"]
    # Sharded by FSDP, with whole checkpoints: they fit any number of processes. On CPUs every process has the whole model.
    sharded = {"fsdp": "full_shard auto_wrap"} if gpus and processes_of(spec) > 1 else {}
    return {
        "output_dir": output,
        "max_steps": updates,
        "learning_rate": optimizer["learningRate"],
        # Replaced by `ProjectSchedule`.
        "lr_scheduler_type": "constant",
        "adam_beta1": optimizer["beta1"],
        "adam_beta2": optimizer["beta2"],
        "adam_epsilon": optimizer["epsilon"],
        "weight_decay": optimizer["weightDecay"],
        "max_grad_norm": optimizer["gradClip"],
        "optim": "adamw_torch",
        "seed": spec["seed"] % 2**31,
        "bf16": spec["precision"] == "bfloat16",
        "use_cpu": gpus == 0,
        "gradient_checkpointing": spec["gradientCheckpointing"],
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "ddp_backend": "gloo" if gpus == 0 and processes_of(spec) > 1 else None,
        **sharded,
    }


def accumulation(samples: int, spec: Spec) -> tuple[int, int]:
    """Samples that a device takes at once, and how often, so that an update sees exactly `samples`."""
    devices = processes_of(spec)
    each = min(spec["samplesPerDevice"], max(1, samples // devices))
    if samples % (devices * each):
        raise bad_job(
            f"{samples} samples an update do not divide into {each} on each of {devices} devices: change ray.samplesPerDevice or the batch"
        )
    return each, samples // (devices * each)


def shared_order(samples: Sized, spec: Spec, per_device: int) -> EpochSampler | None:
    """
    The order of epochs that several processes share; None for one. Each process takes `per_device` samples in turn, so that
    all of them together see the samples of an update that one alone would see. An item behind the last one must fill up.
    """
    processes = processes_of(spec)
    return EpochSampler(samples, spec["seed"], fill_to=processes * per_device) if processes > 1 else None


def peft_config(spec: Spec, scalar_head: bool = False) -> Any:
    """The adapters of the specification; None where all weights are trained. A scalar head is trained whole."""
    lora = spec.get("lora")
    if lora is None:
        return None
    from peft import LoraConfig

    head: dict[str, Any] = {"task_type": "SEQ_CLS", "modules_to_save": ["score"]} if scalar_head else {}
    return LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], target_modules=lora["targets"], lora_dropout=0.0, **head)


def project_trainer(
    base: Any, spec: Spec, total: int, updates_per_step: int, epochs: bool, order: EpochSampler | None = None
) -> Any:
    """A trainer class with the project's learning rates and, with `epochs`, its order of samples: `order`, or a plain one."""
    import torch

    class Trainer(base):  # type: ignore[misc]
        lr_scheduler: Any

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            peak = spec["optimizer"]["learningRate"]
            if self.lr_scheduler is None:
                self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                    optimizer or self.optimizer,
                    lambda update: learning_rate(spec["optimizer"], update // updates_per_step, total) / peak,
                )
            return self.lr_scheduler

        def _get_train_sampler(self, dataset: Any = None) -> Any:
            if not epochs:
                return super()._get_train_sampler(dataset)
            if order is not None:
                return order
            return EpochSampler(self.train_dataset if dataset is None else dataset, spec["seed"])

    return Trainer
