"""`python -m rmr1_ray`: the job whose specification lies in the store under the key `RMR1_SPEC`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from .errors import EXIT_DONE, EXIT_PREEMPTED, as_job_error, bad_job
from .events import emit
from .node import LAUNCHED, end_with_launcher
from .spec import Spec, check_packages, check_spec, processes_of, trains_with_verl


def main() -> int:
    if LAUNCHED in os.environ:
        end_with_launcher()
    work = Path(tempfile.mkdtemp(prefix="rmr1-job-"))
    try:
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
    except BaseException as error:  # noqa: BLE001 - every end goes through the exit table
        traceback.print_exc()
        failure = as_job_error(error)
        emit("failed", error={"type": failure.type, "message": str(failure)})
        return failure.code
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of libraries must not hold a finished job back.
    os._exit(code)
