"""How every job ends: its error as an event, an exit code of the common table, nothing left on the disk."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Callable, NoReturn

from .errors import as_job_error
from .events import emit


def run_to_end(name: str, body: Callable[[Path], int]) -> int:
    """The code to exit with after `body`, which gets a directory of its own."""
    work = Path(tempfile.mkdtemp(prefix=f"rmr1-{name}-"))
    try:
        return body(work)
    except BaseException as error:  # noqa: BLE001 - every end goes through the exit table
        traceback.print_exc()
        failure = as_job_error(error)
        emit("failed", error={"type": failure.type, "message": str(failure)})
        return failure.code
    finally:
        shutil.rmtree(work, ignore_errors=True)


def leave(code: int) -> NoReturn:
    """End at once: threads that still wait for something must not hold a finished job back."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
