"""What the job tells its supervisor: one line of JSON in its log for each event."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

PREFIX = "RMR1_EVENT "
# Of several processes the first one speaks for all; a failure is told by whoever meets it.
FAILED = "failed"
_lock = threading.Lock()


def emit(type: str, **fields: Any) -> None:
    """Write an event, whole and at once: other threads and libraries print too."""
    if type != FAILED and os.environ.get("RANK", "0") != "0":
        return
    line = PREFIX + json.dumps({"type": type, **fields}, separators=(",", ":"), allow_nan=False)
    with _lock:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
