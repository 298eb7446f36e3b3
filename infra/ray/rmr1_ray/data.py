"""Data files and token ids, read as the embedded engine reads them (`engine/data`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

from .errors import bad_data


def read_lines(path: Path, fields: dict[str, tuple[str, ...] | None]) -> list[dict[str, Any]]:
    """JSON lines whose `fields` are text, of the allowed values where any are named. Raises JobError naming the line."""
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise bad_data(f"line {number} of the data is not JSON: {error}") from error
            for field, allowed in fields.items():
                value = row.get(field) if isinstance(row, dict) else None
                if not isinstance(value, str) or (allowed is not None and value not in allowed):
                    raise bad_data(f"line {number} of the data: {field} is {value!r}")
            rows.append(row)
    if not rows:
        raise bad_data("the data is empty")
    return rows


def encode_sft(rows: Sequence[dict[str, Any]], tokenizer: Any, max_length: int) -> list[dict[str, list[int]]]:
    """prompt + completion + end-of-text as ids, with a mask that is 1 on what is learned: the completion and its end."""
    encoded = []
    end = tokenizer.eos_token_id
    for row in rows:
        if not row["completion"].strip():
            raise bad_data(f"{row['id']}: completion is empty")
        prompt, completion = ids_of(tokenizer, row["prompt"]), ids_of(tokenizer, row["completion"])
        if completion[-1] != end:
            completion = completion + [end]
        if len(prompt) + len(completion) > max_length:
            raise bad_data(f"{row['id']}: {len(prompt) + len(completion)} tokens are more than maxLength {max_length}")
        mask = [0] * len(prompt) + [1] * len(completion)
        # The first token of all is predicted from nothing.
        mask[0] = 0
        encoded.append({"input_ids": prompt + completion, "completion_mask": mask})
    return encoded


def encode_pairs(rows: Sequence[dict[str, Any]], tokenizer: Any, max_length: int) -> list[dict[str, list[int]]]:
    """Both answers of each pair as prompt + answer + end-of-text; an answer that ends so already gets no second one."""
    end = tokenizer.eos_token_id

    def encode(row: dict[str, Any], name: str) -> list[int]:
        ids = ids_of(tokenizer, row["prompt"]) + ids_of(tokenizer, row[name])
        if not ids or ids[-1] != end:
            ids = ids + [end]
        if len(ids) < 2:
            raise bad_data(f"{row['id']}: {name}: prompt and answer are empty")
        if len(ids) > max_length:
            raise bad_data(f"{row['id']}: {name}: {len(ids)} tokens are more than maxLength {max_length}")
        return ids

    return [{f"{name}_ids": encode(row, name) for name in ("chosen", "rejected")} for row in rows]


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False)) if text else []
