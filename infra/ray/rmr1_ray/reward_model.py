"""A scalar reward model with TRL's RewardTrainer: −log σ(r_chosen − r_rejected), RM-R1's ScalarRM (Bradley & Terry 1952)."""

from __future__ import annotations

from typing import Any

from .data import encode_pairs, read_lines
from .model import load_model, load_tokenizer, padded_apart
from .order import EpochSteps
from .result import store_trained
from .run import Run, Supervised, train
from .trainers import accumulation, common_arguments, peft_config, project_trainer, shared_order

# A pair that fills up an epoch has this margin: its loss and its gradient are exactly 0.
FILLS_UP = -1e4


def run_reward(run: Run) -> bool:
    """Train to the end, or to a stop. Returns whether the stage is finished."""
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    spec = run.spec
    tokenizer = padded_apart(load_tokenizer(run.model_dir))
    rows = read_lines(run.data_file, {"id": None, "prompt": None, "chosen": None, "rejected": None})
    pairs: list[dict[str, Any]] = list(encode_pairs(rows, tokenizer, spec["maxLength"]))
    steps = EpochSteps([len(pair["chosen_ids"]) + len(pair["rejected_ids"]) for pair in pairs], spec)
    per_device, times = accumulation(spec["batchSize"], spec)
    order = shared_order(pairs, spec, per_device)
    if order:
        end = [tokenizer.eos_token_id] * 2
        pairs = [{**pair, "margin": 0.0} for pair in pairs]
        pairs.append({"chosen_ids": end, "rejected_ids": end, "margin": FILLS_UP})

    def figures(logs: dict[str, float], step: int) -> dict[str, float]:
        return {"tokens": steps.tokens(step), "accuracy": logs["accuracy"], "margin": logs["margin"]}

    supervised = Supervised(run, steps.total, 1, figures)
    trainer_class = project_trainer(pairwise(RewardTrainer), spec, steps.total, 1, epochs=True, order=order)
    trainer = trainer_class(
        model=load_model(spec, run.model_dir, scalar_head=True),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(pairs),
        peft_config=peft_config(spec, scalar_head=True),
        callbacks=[supervised],
        args=RewardConfig(
            **common_arguments(spec, str(run.output), steps.total),
            per_device_train_batch_size=per_device,
            gradient_accumulation_steps=times,
            max_length=None,
            pad_to_multiple_of=None,
        ),
    )
    if not train(run, trainer, supervised):
        return False
    store_trained(run, trainer, steps.total)
    return True


def pairwise(base: Any) -> Any:
    """TRL's trainer with the mean over all pairs of an update, however they fall into micro-batches and processes."""
    import torch

    class Pairwise(base):  # type: ignore[misc]
        loss_is_scaled_for_ga = True
        # Of the pairs since the last step was logged: how many, how many right, sum of margins.
        seen: Any = None

        def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
            pairs = torch.stack([is_pair(batch).sum() for batch in batch_samples]).sum().to(device)
            return self.accelerator.reduce(pairs, reduction="sum")

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            real = is_pair(inputs)
            loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
            with torch.no_grad():
                chosen, rejected = torch.chunk(outputs.logits.squeeze(-1).float(), 2)
                margins = (chosen - rejected)[real]
                seen = torch.stack([real.sum(), (margins > 0).sum(), margins.sum()]).double()
                self.seen = seen if self.seen is None else self.seen + seen
            # The mean over a micro-batch becomes its share of the mean over the update; processes are averaged.
            loss = loss * len(real) * self.accelerator.num_processes / num_items_in_batch
            return (loss, outputs) if return_outputs else loss

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if self.seen is not None:
                count, right, margin = self.accelerator.reduce(self.seen, reduction="sum").tolist()
                self._metrics["train"]["accuracy"] = [right / count]
                self._metrics["train"]["margin"] = [margin / count]
                self.seen = None
            super().log(logs, start_time)

    return Pairwise


def is_pair(inputs: dict[str, Any]) -> Any:
    """Which pairs of a micro-batch are not there to fill it up: bool [pairs]."""
    import torch

    if "margin" in inputs:
        return inputs["margin"] > FILLS_UP / 2
    ids = inputs["input_ids"]
    return torch.ones(ids.shape[0] // 2, dtype=torch.bool, device=ids.device)


