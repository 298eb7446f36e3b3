"""Trains with TRL what the engine trained: reads a request as JSON on standard input, see `training.ts`.

Supervised: SFTTrainer on token ids and labels in the order given, padded batches, gradient accumulation. GRPO: GRPOTrainer
with recorded rollouts in place of generation and recorded rewards in place of a reward model. Writes losses and gradient
norms as JSON on standard output; the gradient of the first update and the weights after every update as safetensors.
"""

import json
import math
import sys
import tempfile
import warnings

import torch
import transformers
import trl
from datasets import Dataset
from safetensors.torch import save_file
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer
from trl.trainer import grpo_trainer

FLOAT32 = dict(dtype=torch.float32, attn_implementation="eager")


class Recorder(TrainerCallback):
    """Losses, norms and gradients before clipping, and the trained weights after the last update."""

    def __init__(self, accumulation):
        self.accumulation = accumulation
        self.losses, self.norms, self.tensors, self.micro = [], [], {}, 0

    def after_backward(self, model, loss):
        if self.micro % self.accumulation == 0:
            self.losses.append(0.0)
        self.losses[-1] += loss.double().item()
        self.micro += 1
        if self.micro % self.accumulation:
            return
        gradients = {name: p.grad.detach() for name, p in trained(model)}
        self.norms.append(math.sqrt(sum(g.double().square().sum().item() for g in gradients.values())))
        if len(self.norms) == 1:
            self.tensors |= {f"gradient.{name}": g.clone() for name, g in gradients.items()}

    def on_train_end(self, args, state, control, model=None, **_):
        self.tensors |= {f"weights.{name}": p.detach().clone().contiguous() for name, p in trained(model)}


def trained(model):
    """Trained parameters by the names they have in files."""
    return [(name.replace(".default.", "."), p) for name, p in model.named_parameters() if p.requires_grad]


def common(request, out):
    o = request["optimizer"]
    return dict(
        output_dir=out,
        max_steps=request["updates"],
        learning_rate=o["learningRate"],
        lr_scheduler_type=o["schedule"],
        warmup_steps=0,
        adam_beta1=o["beta1"],
        adam_beta2=o["beta2"],
        adam_epsilon=o["epsilon"],
        weight_decay=o["weightDecay"],
        max_grad_norm=o["gradClip"],
        optim="adamw_torch",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )


def supervised(request, out):
    accumulation = request["accumulation"]
    recorder = Recorder(accumulation)

    class Trainer(SFTTrainer):
        def _get_train_sampler(self, dataset=None):
            return SequentialSampler(self.train_dataset if dataset is None else dataset)

        def training_step(self, model, inputs, num_items_in_batch=None):
            loss = super().training_step(model, inputs, num_items_in_batch)
            recorder.after_backward(model, loss)
            return loss

    model = AutoModelForCausalLM.from_pretrained(request["model"], **FLOAT32)
    if request.get("adapter"):
        import peft

        model = peft.PeftModel.from_pretrained(model, request["adapter"], is_trainable=True)
    samples = request["samples"]
    trainer = Trainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(request["model"]),
        train_dataset=Dataset.from_dict({key: [s[key] for s in samples] for key in ("input_ids", "labels")}),
        callbacks=[recorder],
        args=SFTConfig(
            **common(request, out),
            per_device_train_batch_size=request["batchSize"] // accumulation,
            gradient_accumulation_steps=accumulation,
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            packing=False,
            loss_type="nll",
        ),
    )
    trainer.train()
    return recorder, {}


def grpo(request, out):
    """`rollouts`: one list a step of {prompt, completion, logps, reward, advantage}, groups next to each other."""
    recorder = Recorder(1)
    steps = request["rollouts"]
    seen = dict(logps=0.0, advantages=0.0)
    # TRL shuffles rollouts between the updates of a step; ours are taken as they come.
    grpo_trainer.shuffle_sequence_dict = lambda batch: batch

    class Trainer(GRPOTrainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            loss = super().training_step(model, inputs, num_items_in_batch)
            recorder.after_backward(model, loss)
            return loss

        def _generate_and_score_completions(self, inputs):
            batch = super()._generate_and_score_completions(inputs)
            step = steps[int(inputs[0]["prompt"].split("/")[0])]
            ours = torch.tensor([rollout["advantage"] for rollout in step])
            theirs = batch["advantages"]
            if self.scale_rewards != "none":
                # TRL divides by std + 1e-4, ours and verl by std + 1e-6: taken out before they are compared.
                std = torch.tensor([float(r["reward"]) for r in step]).view(-1, self.num_generations).std(1)
                theirs = theirs * ((std + 1e-4) / (std + 1e-6)).repeat_interleave(self.num_generations)
            seen["advantages"] = max(seen["advantages"], (ours - theirs).abs().max().item())
            batch["advantages"] = ours
            for row, rollout in enumerate(step):
                old = batch["old_per_token_logps"][row, : len(rollout["logps"])]
                seen["logps"] = max(seen["logps"], (old - torch.tensor(rollout["logps"])).abs().max().item())
            return batch

    def replay(prompts, trainer):
        # Every prompt, named by step and first row, comes once for each of its samples.
        records = [
            steps[int(p.split("/")[0])][int(p.split("/")[1]) + i % trainer.num_generations] for i, p in enumerate(prompts)
        ]
        return {
            "prompt_ids": [r["prompt"] for r in records],
            "completion_ids": [r["completion"] for r in records],
            "logprobs": [r["logps"] for r in records],
            "recorded": [r["reward"] for r in records],
        }

    g = request["groupSize"]
    names = [f"{step}/{row}" for step, rollouts in enumerate(steps) for row in range(0, len(rollouts), g)]
    trainer = Trainer(
        model=request["model"],
        processing_class=AutoTokenizer.from_pretrained(request["model"], padding_side="left"),
        reward_funcs=lambda prompts, completions, recorded, **_: recorded,
        rollout_func=replay,
        train_dataset=Dataset.from_dict({"prompt": names}),
        callbacks=[recorder],
        args=GRPOConfig(
            **common(request, out),
            model_init_kwargs=dict(dtype="float32", attn_implementation="eager"),
            per_device_train_batch_size=len(steps[0]) // request["miniBatches"],
            steps_per_generation=request["miniBatches"],
            num_generations=g,
            num_iterations=1,
            max_completion_length=request["maxNewTokens"],
            temperature=request["temperature"],
            beta=request["beta"],
            use_bias_correction_kl=False,  # plain k3; TRL would also weigh it by the importance ratio
            epsilon=request["clip"],
            epsilon_high=request["clipHigh"],
            loss_type=request["lossType"],
            importance_sampling_level=request["level"],
            scale_rewards=request["scaleRewards"],
            shuffle_dataset=False,
        ),
    )
    # A completion may hold the padding token; transformers' embedding would drop the gradient of its row.
    trainer.model.get_input_embeddings().padding_idx = None
    trainer.train()
    return recorder, seen


def main():
    request = json.load(sys.stdin)
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(request["threads"])
    answer, sys.stdout = sys.stdout, sys.stderr  # trainers print; the answer is JSON alone
    with tempfile.TemporaryDirectory() as out:
        recorder, seen = {"supervised": supervised, "grpo": grpo}[request["kind"]](request, out)
    save_file(recorder.tensors, request["out"])
    versions = dict(torch=torch.__version__, transformers=transformers.__version__, trl=trl.__version__)
    json.dump(dict(losses=recorder.losses, norms=recorder.norms, **seen, versions=versions), answer)


main()
