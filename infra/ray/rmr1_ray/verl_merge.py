"""From the shards of verl's last checkpoint to a model in Hugging Face layout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from .errors import JobError
from .events import emit
from .model import WEIGHTS

ALIVE_SECONDS = 60


def merge_shards(actor: Path, source: Path, target: Path) -> None:
    """
    The weights below `actor`, merged by verl's own merger, beside the other files of the model they were trained from.
    They are in bfloat16 then, as the merger writes them.
    """
    merged = target.with_name(f"{target.name}-merged")
    for directory in (merged, target):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    command = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
    process = subprocess.Popen([*command, "--local_dir", str(actor), "--target_dir", str(merged)])
    while True:
        emit("alive", doing="merging the model")
        try:
            code = process.wait(ALIVE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    weights = [path for pattern in WEIGHTS[:2] for path in merged.glob(pattern)]
    if code != 0 or not weights:
        raise JobError("Failed", f"verl's merger ended with exit code {code} and left {len(weights)} files of weights")
    for path in source.iterdir():
        if path.is_file() and not any(path.match(pattern) for pattern in WEIGHTS):
            shutil.copyfile(path, target / path.name)
    for path in weights:
        shutil.move(path, target / path.name)
    shutil.rmtree(merged)
