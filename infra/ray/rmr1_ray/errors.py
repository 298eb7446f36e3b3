"""How a training job ends: the exit table that the embedded engine has too (`engine/job.ts`), and errors with a name."""

from __future__ import annotations

import errno
import re
from typing import Any

EXIT_DONE = 0
EXIT_BAD_JOB = 64
EXIT_BAD_DATA = 65
EXIT_FAILED = 70
EXIT_PREEMPTED = 75


class JobError(Exception):
    """A failure with a stable type; `code` is the exit code that tells the supervisor whether to try again."""

    def __init__(self, type: str, message: str, code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.type = type
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """It crosses from one node to another whole."""
        return JobError, (self.type, str(self), self.code)


def bad_job(message: str) -> JobError:
    """A setting that cannot work. Never retried."""
    return JobError("BadJob", message, EXIT_BAD_JOB)


def bad_data(message: str) -> JobError:
    """Data that cannot work. Never retried."""
    return JobError("BadData", message, EXIT_BAD_DATA)


def as_job_error(error: BaseException) -> JobError:
    """Any failure as one that the supervisor understands; what is not known is retried."""
    if isinstance(error, JobError):
        return error
    if _is_disk_full(error):
        where = getattr(error, "filename", None) or "the trainer's disk"
        return JobError("DiskFull", f"{where}: no space left on the node that trains; free some, or add nodes with larger disks.")
    return JobError("Failed", f"{type(error).__name__}: {error}")


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether it says so, or what it was raised for: torch and safetensors have errors of their own for it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return True
        if re.search(r"No space left on device|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+|iostream error", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
