"""Prompts of reinforcement learning: what is in the data, checked, in the order in which steps take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .data import ids_of, read_lines
from .errors import bad_data
from .order import visits
from .spec import Spec


def ordered_prompts(path: Path, tokenizer: Any, spec: Spec) -> list[dict[str, Any]]:
    """Rows (`id`, `prompt`, `gold`) of all steps, `promptsPerStep` of them each. Raises JobError naming a row that is wrong."""
    rows = read_lines(path, {"id": None, "prompt": None, "gold": ("A", "B")})
    for row in rows:
        length = len(ids_of(tokenizer, row["prompt"]))
        if not 0 < length <= spec["maxPromptTokens"]:
            raise bad_data(f"{row['id']}: the prompt has {length} tokens, maxPromptTokens is {spec['maxPromptTokens']}")
    return [rows[i] for i in visits(len(rows), spec["seed"], spec["steps"] * spec["promptsPerStep"])]
