"""`python -m rmr1_ray`: the job whose specification lies in the store under the key `RMR1_SPEC`."""

from __future__ import annotations

import os
from pathlib import Path

from .ending import leave, run_to_end
from .errors import EXIT_DONE, EXIT_PREEMPTED, bad_job
from .events import emit
from .node import LAUNCHED, end_with_launcher
from .spec import Spec, check_packages, check_spec, processes_of, trains_with_verl


def main() -> int:
    if LAUNCHED in os.environ:
        end_with_launcher()
    return run_to_end("job", job)


def job(work: Path) -> int:
    from .store import Store

    store = Store()
    spec = check_spec(store.get_json(os.environ["RMR1_SPEC"]))
    check_packages(spec["packages"])
    if trains_with_verl(spec):
        return EXIT_DONE if run_verl(store, spec) else EXIT_PREEMPTED
    if processes_of(spec) > 1 and LAUNCHED not in os.environ:
        from .launch import launch

        return launch(spec)
    return EXIT_DONE if run_job(store, spec, work) else EXIT_PREEMPTED


def run_verl(store: "Store", spec: Spec) -> bool:  # type: ignore[name-defined] # noqa: F821
    from .grpo_verl import run_grpo_verl, work_directory
    from .run import Run

    return run_grpo_verl(Run(store, spec, work_directory(spec)))


def run_job(store: "Store", spec: Spec, work: Path) -> bool:  # type: ignore[name-defined] # noqa: F821
    from .run import Run

    run = Run(store, spec, work)
    run.fetch()
    emit("alive", doing="loading the model")
    if spec["kind"] == "sft":
        from .sft import run_sft

        return run_sft(run)
    if spec["kind"] == "grpo":
        from .grpo import run_grpo

        return run_grpo(run)
    if spec["kind"] == "reward":
        from .reward_model import run_reward

        return run_reward(run)
    raise bad_job(f"jobs of kind {spec['kind']} are not trained on Ray yet")


if __name__ == "__main__":
    leave(main())
