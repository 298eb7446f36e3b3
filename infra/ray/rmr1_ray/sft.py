"""Supervised fine-tuning with TRL's SFTTrainer: the loss counts completions only (RM-R1, section 3.1)."""

from __future__ import annotations

from typing import Any

from .data import encode_sft, read_lines
from .model import load_model, load_tokenizer
from .order import EpochSteps
from .result import store_trained
from .run import Run, Supervised, train
from .trainers import accumulation, common_arguments, peft_config, project_trainer, shared_order


def run_sft(run: Run) -> bool:
    """Train to the end, or to a stop. Returns whether the stage is finished."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    spec = run.spec
    tokenizer = load_tokenizer(run.model_dir)
    rows = read_lines(run.data_file, {"id": None, "prompt": None, "completion": None})
    samples = encode_sft(rows, tokenizer, spec["maxLength"])
    steps = EpochSteps([len(sample["input_ids"]) for sample in samples], spec)
    per_device, times = accumulation(spec["batchSize"], spec)
    order = None if spec["packing"] else shared_order(samples, spec, per_device)
    if order:
        samples = [*samples, {"input_ids": [tokenizer.eos_token_id] * 2, "completion_mask": [0, 0]}]

    def figures(logs: dict[str, float], step: int) -> dict[str, float]:
        return {"tokens": steps.tokens(step)}

    supervised = Supervised(run, steps.total, 1, figures)
    trainer_class = project_trainer(SFTTrainer, spec, steps.total, 1, epochs=True, order=order)
    trainer = trainer_class(
        model=load_model(spec, run.model_dir),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(samples),
        peft_config=peft_config(spec),
        callbacks=[supervised],
        args=SFTConfig(
            **common_arguments(spec, str(run.output), steps.total),
            per_device_train_batch_size=per_device,
            gradient_accumulation_steps=times,
            max_length=None,
            packing=spec["packing"],
            completion_only_loss=True,
        ),
    )
    if not train(run, trainer, supervised):
        return False
    store_trained(run, trainer, steps.total)
    return True
