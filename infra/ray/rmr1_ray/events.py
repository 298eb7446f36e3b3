"""What the job tells its supervisor: one line of JSON in its log for each event."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

PREFIX = "RMR1_EVENT "
_lock = threading.Lock()


def emit(type: str, **fields: Any) -> None:
    """Write an event, whole and at once: other threads and libraries print too."""
    line = PREFIX + json.dumps({"type": type, **fields}, separators=(",", ":"), allow_nan=False)
    with _lock:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
