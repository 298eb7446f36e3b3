"""What verl reads: prompts as parquet, and a tokenizer that passes them through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

from .model import load_tokenizer

DATA_SOURCE = "rmr1"
# Prompts are rendered already; verl renders messages once more, which must change nothing.
PASS_THROUGH = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_prompts(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Rows (`id`, `prompt`, `gold`) in the columns that verl's dataset and reward manager take."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(
        [
            {
                "data_source": DATA_SOURCE,
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "reward_model": {"style": "rule", "ground_truth": row["gold"]},
                "extra_info": {"index": index, "id": row["id"]},
            }
            for index, row in enumerate(rows)
        ]
    )
    parquet.write_table(table, path)


def write_tokenizer(model: Path, target: Path) -> None:
    """The tokenizer of a model for verl: prompts have the same tokens with it as in every other trainer."""
    tokenizer = load_tokenizer(model)
    tokenizer.chat_template = PASS_THROUGH
    tokenizer.save_pretrained(str(target))
    # vLLM ends a rollout where this file says, and takes its own defaults for sampling from it.
    end = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    (model / "generation_config.json").write_text(json.dumps(end) + "\n", "utf-8")
