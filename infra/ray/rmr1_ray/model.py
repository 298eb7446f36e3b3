"""Models in Hugging Face layout: loading them, and writing what became of them."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from .errors import bad_data, bad_job
from .order import philox
from .spec import Spec

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# The scalar head, as the engine and sequence classifiers call it, and how a fresh one is spread.
HEAD = "score.weight"
HEAD_STD = 0.02
ADAPTER = "adapter_config.json"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json")


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a model, which adds nothing to a text by itself."""
    try:
        config = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
        special = {name: _content(config.get(name)) for name in ("eos_token", "pad_token", "bos_token", "unk_token")}
        if special["eos_token"] is None:
            raise bad_data("tokenizer_config.json names no eos_token")
        special["pad_token"] = special["pad_token"] or special["eos_token"]
        tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_file=str(directory / "tokenizer.json"),
            padding_side="left",
            clean_up_tokenization_spaces=bool(config.get("clean_up_tokenization_spaces")),
            **{name: token for name, token in special.items() if token is not None},
        )
    except OSError as error:
        raise bad_data(f"the model has no usable tokenizer: {error}") from error
    backend: Any = tokenizer.backend_tokenizer
    # Prompts are rendered already: whatever begins a text is in them.
    backend.post_processor = None
    return tokenizer


def load_model(spec: Spec, directory: Path, scalar_head: bool = False) -> Any:
    """The starting model in full precision; bfloat16 training keeps its weights so too."""
    if spec["gpus"] > torch.cuda.device_count():
        raise bad_job(f"the job reserves {spec['gpus']} GPUs, but torch sees {torch.cuda.device_count()} on its node")
    options: dict[str, Any] = {
        "dtype": torch.float32,
        "attn_implementation": "sdpa" if spec["gpus"] else "eager",
    }
    if scalar_head:
        model = AutoModelForSequenceClassification.from_pretrained(str(directory), num_labels=1, **options)
        if not is_classifier(directory):
            fresh = normal_deviates(spec["seed"], HEAD, model.score.weight.numel(), HEAD_STD)
            model.score.weight.data.copy_(torch.tensor(fresh).view_as(model.score.weight))
    else:
        model = AutoModelForCausalLM.from_pretrained(str(directory), **options)
    # Where a tokenizer pads with a token that texts may hold, its gradient would be dropped.
    model.get_input_embeddings().padding_idx = None
    return model


def is_classifier(directory: Path) -> bool:
    """Whether a model has a scalar head already."""
    names = json.loads((directory / "config.json").read_text("utf-8")).get("architectures") or [""]
    return str(names[0]).endswith("ForSequenceClassification")


def normal_deviates(seed: int, name: str, count: int, std: float) -> list[float]:
    """A fresh weight as the embedded engine draws it (`engine/model/initialize.ts`): from seed, name and index alone."""
    key = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    key0, key1 = (int.from_bytes(key[at : at + 4], "little") for at in (0, 4))
    drawn: list[float] = []
    for block in range((count + 3) // 4):
        words = philox((block, 0, 0, 0), key0, key1)
        for at in (0, 2):
            radius = std * math.sqrt(-2 * math.log((words[at] + 1) / 2**32))
            angle = 2 * math.pi * words[at + 1] / 2**32
            drawn += [radius * math.cos(angle), radius * math.sin(angle)]
    return drawn[:count]


def stop_at(model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    """Generation ends at the tokenizer's end-of-text and at nothing else."""
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id


def write_model(model: Any, source: Path, target: Path, changes: dict[str, Any] | None = None) -> None:
    """The weights of `model` beside the other files of the model it was made from, which stay what they were."""
    work = target.with_name(f"{target.name}-weights")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model.save_pretrained(str(work))
    join_model(work, source, target, changes)
    shutil.rmtree(work)


def join_model(weights: Path, source: Path, target: Path, changes: dict[str, Any] | None = None) -> None:
    """A model of the weights of one directory, moved, and the other files of `source`; `changes` are made to its config."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file() and not any(path.match(pattern) for pattern in WEIGHTS):
            shutil.copyfile(path, target / path.name)
    for pattern in WEIGHTS[:2]:
        for path in weights.glob(pattern):
            shutil.move(path, target / path.name)
    if changes:
        config = json.loads((target / "config.json").read_text("utf-8"))
        (target / "config.json").write_text(json.dumps({**config, **changes}, indent=2) + "\n", "utf-8")


def write_saved_model(
    saved: Path, source: Path, target: Path, spec: Spec, changes: dict[str, Any] | None = None
) -> None:
    """What a trainer saved as a model of plain weights; adapters are merged into `source`, which they were trained on."""
    if not (saved / ADAPTER).exists():
        return join_model(saved, source, target, changes)
    from peft import PeftModel

    base = load_model({**spec, "gpus": 0}, source, scalar_head=spec["kind"] == "reward")
    write_model(PeftModel.from_pretrained(base, str(saved)).merge_and_unload(), source, target, changes)


def head_changes(spec: Spec, source: Path) -> dict[str, Any] | None:
    """What `config.json` says of a reward model, as the embedded engine writes it (`engine/checkpoint/llama-config.ts`)."""
    if spec["kind"] != "reward":
        return None
    model_type = json.loads((source / "config.json").read_text("utf-8")).get("model_type")
    family = {"llama": "Llama", "qwen2": "Qwen2"}.get(model_type)
    if family is None:
        raise bad_data(f"config.json: model_type is {model_type!r}; reward models are made of llama and qwen2")
    return {
        "architectures": [f"{family}ForSequenceClassification"],
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "pad_token_id": padded_apart(load_tokenizer(source)).pad_token_id,
    }


def padded_apart(tokenizer: Any) -> Any:
    """
    Sequence classifiers read the score at the last token that is no padding. Texts end with end-of-text, so padding must
    be another token; which one is all the same, attention leaves it out.
    """
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(1 if tokenizer.eos_token_id == 0 else 0)
    return tokenizer


def _content(token: Any) -> str | None:
    """A token in a configuration: its text, or an object that holds it."""
    return token.get("content") if isinstance(token, dict) else token
