"""verl's hook behind each checkpoint (`trainer.checkpoint_callback_class`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from verl.trainer.ppo.checkpoint_callback import CheckpointCallback

from .errors import bad_job

Saved = Callable[[int, Path], None]
_saved: list[Saved] = []


def when_saved(saved: Saved) -> None:
    """Have `saved` called with step and directory whenever verl's trainer, in this process, has written a checkpoint."""
    _saved[:] = [saved]


class StoredCheckpoints(CheckpointCallback):  # type: ignore[misc]
    """verl makes one from its configuration and nothing else."""

    def on_save(self, trainer: Any, global_step: int, checkpoint_dir: str, async_save: bool = False, **_: Any) -> None:
        if async_save:
            raise bad_job("verl saves asynchronously: its files may not be whole yet")
        for saved in _saved:
            saved(global_step, Path(checkpoint_dir).absolute())
