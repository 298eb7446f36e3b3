"""Named moments at which a test may hold a job, by the same plan as `engine/crash-point.ts`. Nothing is done without
`RMR1_CRASH_POINTS` (a directory; set by tests only)."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

_seen: dict[str, int] = {}


def crash_point(name: str) -> None:
    """Wait here if a test has planned it and no other process came here first."""
    directory = os.environ.get("RMR1_CRASH_POINTS")
    if not directory:
        return
    try:
        plan = json.loads((Path(directory) / "plan.json").read_text("utf-8"))
    except (OSError, ValueError):
        return
    if not re.search(plan["point"], name):
        return
    _seen[plan["id"]] = _seen.get(plan["id"], 0) + 1
    if _seen[plan["id"]] != plan["nth"]:
        return
    try:
        with open(Path(directory) / f"{plan['id']}.reached", "x", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, "pid": os.getpid()}))
    except FileExistsError:
        return
    while not (Path(directory) / f"{plan['id']}.released").exists():
        time.sleep(0.01)
