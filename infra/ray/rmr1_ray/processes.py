"""What the processes of a job must agree on. With one process nothing is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from .errors import JobError


def agreed(wish: bool, args: TrainingArguments) -> bool:
    """Whether any process wishes it: all of them do the same at the same step."""
    return wish if args.world_size == 1 else _largest(int(wish), args) == 1


def require_same_step(step: int, args: TrainingArguments) -> None:
    """Raises JobError where nodes have found different checkpoints, as while one of them is being deleted."""
    if args.world_size == 1:
        return
    low, high = -_largest(-step, args), _largest(step, args)
    if low != high:
        raise JobError("Failed", f"nodes begin at different checkpoints, of updates {low} and {high}")


def gather_random_states(saved: Path, args: TrainingArguments) -> None:
    """Put the random state of every process beside the first one's checkpoint: each wrote it on its own disk."""
    if args.world_size == 1:
        return
    from torch import distributed

    own = {path.name: path.read_bytes() for path in saved.glob("rng_state_*.pth")}
    states: list[Any] = [None] * args.world_size
    distributed.all_gather_object(states, own)
    if args.process_index == 0:
        for name, state in ((name, state) for each in states for name, state in each.items()):
            (saved / name).write_bytes(state)


def _largest(value: int, args: TrainingArguments) -> int:
    import torch
    from torch import distributed

    shared = torch.tensor([value], device=args.device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return int(shared.item())
