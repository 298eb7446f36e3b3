"""Training steps of TRL's SFTTrainer and GRPOTrainer, a few at a time as they are asked for, see `contender.ts`.

The trainer runs on; a callback at the beginning of a step waits until one is wanted and answers when enough were done.
"""

import json
import sys
import tempfile
import time
import warnings

import torch
import transformers
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

OUT = sys.stdout
sys.stdout = sys.stderr  # trainers print; answers are JSON alone
MANY = 100_000


def say(message):
    print(json.dumps(message), file=OUT, flush=True)


class Gate(TrainerCallback):
    def __init__(self, ready):
        self.ready, self.left, self.began = ready, 0, None

    def on_step_begin(self, args, state, control, model=None, **_):
        if self.left:
            return
        if self.began is None:
            parameters = list(model.parameters())
            sizes = dict(
                parameters=sum(p.numel() for p in parameters),
                trained=sum(p.numel() for p in parameters if p.requires_grad),
            )
            say(self.ready | sizes)
        else:
            say(dict(seconds=time.perf_counter() - self.began))
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        self.left, self.began = json.loads(line)["work"], time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        self.left -= 1


def common(request, out):
    return dict(
        output_dir=out,
        max_steps=MANY,
        learning_rate=1e-4 if request["kind"] == "sft" else 1e-6,
        lr_scheduler_type="constant",
        weight_decay=0.01,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=bool(request.get("recompute")),
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )


def adapters(request):
    if not request.get("lora"):
        return None
    import peft

    targets = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()
    return peft.LoraConfig(
        r=request["lora"]["rank"],
        lora_alpha=request["lora"]["alpha"],
        lora_dropout=0.0,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def supervised(request, out, gate):
    model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32, attn_implementation="sdpa")
    rows = torch.randint(16, model.config.vocab_size, (64 * request["batch"], request["length"])).tolist()
    return trl.SFTTrainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(request["model"]),
        train_dataset=Dataset.from_dict({"input_ids": rows, "labels": rows}),
        callbacks=[gate],
        peft_config=adapters(request),
        args=trl.SFTConfig(
            **common(request, out),
            per_device_train_batch_size=request["batch"],
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            packing=False,
            loss_type="nll",
        ),
    )


def grpo(request, out, gate):
    prompts = request["prompts"]
    return trl.GRPOTrainer(
        model=request["model"],
        processing_class=AutoTokenizer.from_pretrained(request["model"], padding_side="left"),
        reward_funcs=lambda completions, **_: [float(len(text) % 2) for text in completions],
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        callbacks=[gate],
        peft_config=adapters(request),
        args=trl.GRPOConfig(
            **common(request, out),
            model_init_kwargs=dict(dtype="float32", attn_implementation="sdpa"),
            per_device_train_batch_size=len(prompts) * request["group"],
            num_generations=request["group"],
            max_completion_length=request["newTokens"],
            generation_kwargs={"min_new_tokens": request["newTokens"]},
            temperature=1.0,
            beta=request["klCoefficient"],
            steps_per_generation=1,
        ),
    )


def main():
    request = json.loads(sys.stdin.readline())
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    versions = dict(torch=torch.__version__, transformers=transformers.__version__, trl=trl.__version__)
    gate = Gate(dict(versions=versions))
    with tempfile.TemporaryDirectory() as out:
        trainer = {"sft": supervised, "grpo": grpo}[request["kind"]](request, out, gate)
        trainer.train()


main()
