"""Supervised fine-tuning with TRL's SFTTrainer: the loss counts completions only (RM-R1, section 3.1)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .data import encode_sft, read_lines
from .model import load_model, load_tokenizer, write_model
from .order import shuffled_order
from .run import Run, Supervised, train
from .trainers import accumulation, common_arguments, peft_config, project_trainer


def run_sft(run: Run) -> bool:
    """Train to the end, or to a stop. Returns whether the stage is finished."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    spec = run.spec
    tokenizer = load_tokenizer(run.model_dir)
    rows = read_lines(run.data_file, {"id": None, "prompt": None, "completion": None})
    samples = encode_sft(rows, tokenizer, spec["maxLength"])
    lengths = [len(sample["input_ids"]) for sample in samples]
    batch = spec["batchSize"]
    per_epoch = math.ceil(len(samples) / batch)
    total = max(1, math.floor(spec["epochs"] * per_epoch + 0.5))
    per_device, times = accumulation(batch, spec)
    orders: dict[int, list[int]] = {}

    def tokens_of(step: int) -> int:
        epoch, at = divmod(step - 1, per_epoch)
        if epoch not in orders:
            orders.clear()
            orders[epoch] = shuffled_order(len(samples), spec["seed"], epoch)
        return sum(lengths[i] for i in orders[epoch][at * batch : (at + 1) * batch])

    def figures(logs: dict[str, float], step: int) -> dict[str, float]:
        return {"tokens": tokens_of(step)}

    supervised = Supervised(run, total, 1, figures)
    trainer_class = project_trainer(SFTTrainer, spec, total, 1, epochs=True)
    trainer = trainer_class(
        model=load_model(spec, run.model_dir),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(samples),
        peft_config=peft_config(spec),
        callbacks=[supervised],
        args=SFTConfig(
            **common_arguments(spec, str(run.output), total),
            per_device_train_batch_size=per_device,
            gradient_accumulation_steps=times,
            max_length=None,
            packing=spec["packing"],
            completion_only_loss=True,
        ),
    )
    if not train(run, trainer, supervised):
        return False
    store_trained(run, trainer, total)
    return True


def store_trained(run: Run, trainer: Any, total: int, changes: dict[str, Any] | None = None) -> None:
    """The trained model as the stage's result; adapters are merged into it, and kept beside it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    adapter: Path | None = None
    if run.spec.get("lora") is not None:
        adapter = run.output / "adapter"
        model.save_pretrained(str(adapter))
        model = model.merge_and_unload()
    write_model(model, run.model_dir, run.output / "model", changes)
    run.finish(total, total, run.output / "model", adapter)
