"""A tiny model, data and specification in an in-memory store: nothing is downloaded."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from fake_s3 import FakeS3
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM

from rmr1_ray.run import Run
from rmr1_ray.spec import check_spec
from rmr1_ray.store import Store

KEY = "ab" * 32
WORDS = ["<pad>", "<end>", "<unk>", "<begin>", "<answer>", "</answer>", "[[A]]", "[[B]]"] + [f"w{i}" for i in range(24)]
OPTIMIZER = {
    "learningRate": 2e-3,
    "schedule": "linear",
    "warmupSteps": 2,
    "flatShare": 0.6,
    "finalShare": 0,
    "weightDecay": 0.01,
    "gradClip": 1,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
}


def new_store(client: FakeS3) -> Store:
    os.environ["RMR1_S3_BUCKET"] = "rmr1"
    return Store(client)


def write_model(directory: Path) -> None:
    directory.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # A tokenizer that would begin every text by itself, as Llama's do.
    tokenizer.post_processor = processors.TemplateProcessing(single="<begin> $A", special_tokens=[("<begin>", 3)])
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"eos_token": "<end>", "pad_token": {"content": "<pad>"}, "chat_template": "kept as it is"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(str(directory))


def sft_rows(count: int = 10) -> list[dict]:
    def row(i: int) -> dict:
        verdict = "AB"[i % 2]
        return {
            "id": f"s{i}",
            "prompt": f"w{i} w{i + 1} w{i % 3}",
            "completion": f"w{i % 5} <answer> [[{verdict}]] </answer>",
        }

    return [row(i) for i in range(count)]


def grpo_rows(count: int = 6) -> list[dict]:
    return [{"id": f"g{i}", "prompt": f"w{i} w{i + 1}", "gold": "AB"[i % 2]} for i in range(count)]


def reward_rows(count: int = 10) -> list[dict]:
    def row(i: int) -> dict:
        answers = (f"w{i % 5} [[A]]", f"w{i % 4} w{i % 3} [[B]]")
        return {"id": f"r{i}", "prompt": f"w{i} w{i + 1}", "chosen": answers[0], "rejected": answers[1]}

    return [row(i) for i in range(count)]


def new_stage(tmp: Path, kind: str, rows: list[dict], client: FakeS3, **changes: object) -> dict:
    """Put a model and data into the store and return a valid specification of attempt 1."""
    store = new_store(client)
    source = tmp / "source"
    if not source.exists():
        write_model(source)
    data = tmp / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {
        "format": "rmr1-training/1",
        "kind": kind,
        "stageKey": KEY,
        "attempt": 1,
        "seed": 7,
        "model": store.put_directory("model", source),
        "data": store.put_artifact("samples", data),
        "checkpointEverySteps": 2,
        "optimizer": OPTIMIZER,
        "gradientCheckpointing": False,
        "precision": "float32",
        "nodes": 1,
        "cpus": 1,
        "gpus": 0,
        "samplesPerDevice": 2,
        "packages": {},
    }
    if kind == "grpo":
        spec |= {
            **{"steps": 4, "promptsPerStep": 2, "groupSize": 4, "miniBatches": 2, "temperature": 1.0, "topP": 1.0},
            **{"maxPromptTokens": 20, "maxNewTokens": 6, "clip": 0.2, "clipHigh": 0.2, "klCoefficient": 0.01},
            **{"trainer": "trl", "objective": "grpo", "vllm": False, "gpuMemoryForRollouts": 0.5, "tensorParallel": 1},
        }
    else:
        spec |= {"epochs": 2, "batchSize": 4, "maxLength": 40}
        if kind == "sft":
            spec["packing"] = False
    return check_spec({**spec, **changes})


def new_run(client: FakeS3, spec: dict, work: Path, attempt: int = 1) -> Run:
    work.mkdir(parents=True)
    claim(client, attempt)
    run = Run(new_store(client), {**spec, "attempt": attempt}, work)
    run.fetch()
    return run


def claim(client: FakeS3, attempt: int) -> None:
    """The fence as it stands once the stage was claimed so often."""
    claims = [{"attempt": n, "owner": "t", "from": None if n == 1 else newest(client), "at": ""} for n in range(1, attempt + 1)]
    fence = {"attempt": attempt, "owner": "t", "claims": claims}
    client.objects[f"checkpoints/{KEY}/fence.json"] = json.dumps(fence).encode()


def newest(client: FakeS3) -> dict | None:
    steps = [key.split("/")[2:4] for key in client.objects if "/step-" in key and key.endswith("manifest.json")]
    if not steps:
        return None
    step, attempt = max(steps)
    return {"step": int(step[5:]), "attempt": int(attempt[8:])}


def result(client: FakeS3, attempt: int = 1) -> dict:
    return json.loads(client.objects[f"checkpoints/{KEY}/ray/attempt-{attempt}/result.json"])


def metrics(client: FakeS3, attempt: int = 1) -> list[dict]:
    sha256 = result(client, attempt)["outputs"]["metrics"]["sha256"]
    return [json.loads(line) for line in client.objects[f"objects/{sha256[:2]}/{sha256}"].decode().splitlines()]


def untimed(lines: list[dict]) -> list[dict]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
