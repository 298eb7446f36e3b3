"""Models in Hugging Face layout: loading them, and writing what became of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from .errors import bad_data, bad_job
from .spec import Spec

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
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
        torch.manual_seed(spec["seed"])
        model = AutoModelForSequenceClassification.from_pretrained(str(directory), num_labels=1, **options)
    else:
        model = AutoModelForCausalLM.from_pretrained(str(directory), **options)
    # Where a tokenizer pads with a token that texts may hold, its gradient would be dropped.
    model.get_input_embeddings().padding_idx = None
    return model


def stop_at(model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    """Generation ends at the tokenizer's end-of-text and at nothing else."""
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id


def write_model(model: Any, source: Path, target: Path, changes: dict[str, Any] | None = None) -> None:
    """The weights of `model` beside the other files of the model it was made from, which stay what they were."""
    work = target.with_name(f"{target.name}-weights")
    for directory in (work, target):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    model.save_pretrained(str(work))
    for path in source.iterdir():
        if path.is_file() and not any(path.match(pattern) for pattern in WEIGHTS):
            shutil.copyfile(path, target / path.name)
    for pattern in WEIGHTS[:2]:
        for path in work.glob(pattern):
            shutil.move(path, target / path.name)
    if changes:
        config = json.loads((target / "config.json").read_text("utf-8"))
        (target / "config.json").write_text(json.dumps({**config, **changes}, indent=2) + "\n", "utf-8")
    shutil.rmtree(work)


def _content(token: Any) -> str | None:
    """A token in a configuration: its text, or an object that holds it."""
    return token.get("content") if isinstance(token, dict) else token
