"""The trained model as a stage's result, whole, whatever it was trained as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .model import head_changes, write_model, write_saved_model
from .run import Run


def store_trained(run: Run, trainer: Any, total: int) -> None:
    """Store the model and end the stage; adapters are merged into it, and kept beside it. Every process calls it."""
    spec, source, target = run.spec, run.model_dir, run.output / "model"
    adapter: Path | None = run.output / "adapter" if spec.get("lora") is not None else None
    if run.world == 1:
        model = trainer.accelerator.unwrap_model(trainer.model)
        if adapter is not None:
            model.save_pretrained(str(adapter))
            model = model.merge_and_unload()
        write_model(model, source, target, head_changes(spec, source))
    else:
        # Its weights may lie in pieces on all processes: the trainer brings them together on the first.
        saved = adapter or run.output / "whole"
        trainer.save_model(str(saved))
        if run.rank != 0:
            return
        write_saved_model(saved, source, target, spec, head_changes(spec, source))
    run.finish(total, total, target, adapter)
