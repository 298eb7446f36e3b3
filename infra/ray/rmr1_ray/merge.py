"""
`python -m rmr1_ray.merge`: the newest checkpoint of the stage `RMR1_STAGE_KEY` as a model in Hugging Face layout, whether
it holds all weights or adapters. The stage itself is left as it is, and may go on.
"""

from __future__ import annotations

import os
from pathlib import Path

from .ending import leave, run_to_end
from .errors import EXIT_DONE, bad_job
from .events import emit
from .model import head_changes, write_saved_model
from .spec import check_packages, check_spec
from .store import Checkpoints, Store


def merge(store: Store, stage_key: str, work: Path) -> int:
    """Store the model and the record that names it. Returns the step that it is of."""
    root = f"checkpoints/{stage_key}/ray"
    job = store.get_json(f"{root}/job.json")
    if job is None:
        raise bad_job(f"stage {stage_key[:12]} was never trained on Ray: there is no {root}/job.json")
    spec = check_spec(store.get_json(f"{root}/attempt-{job['attempt']}/spec.json"))
    check_packages(spec["packages"])
    saved, source, target = work / "checkpoint", work / "model-in", work / "model"
    step = Checkpoints(store, stage_key, spec["attempt"]).fetch(saved)
    if step is None:
        raise bad_job(f"stage {stage_key[:12]} has no whole checkpoint yet: wait for its first")
    store.fetch_directory(spec["model"], source)
    emit("alive", doing="merging")
    write_saved_model(saved, source, target, spec, head_changes(spec, source))
    record = {"format": "rmr1-merged/1", "step": step, "model": store.put_directory("model", target)}
    store.put_json(f"{root}/merged-{step:08d}.json", record)
    return step


def main() -> int:
    return run_to_end("merge", job)


def job(work: Path) -> int:
    step = merge(Store(), os.environ["RMR1_STAGE_KEY"], work)
    print(f"merged step {step}", flush=True)
    return EXIT_DONE


if __name__ == "__main__":
    leave(main())
