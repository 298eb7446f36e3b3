"""Learning rates, the same as in the embedded engine (`engine/optimizer/schedule.ts`)."""

from __future__ import annotations

import math
from typing import Any


def learning_rate(optimizer: dict[str, Any], step: int, total: int) -> float:
    """Rate of one update; `step` counts from 0, decays end at `total`."""
    peak, warmup = optimizer["learningRate"], optimizer["warmupSteps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    schedule, final = optimizer["schedule"], optimizer["finalShare"]
    if schedule == "constant":
        return float(peak)
    start = max(warmup, optimizer["flatShare"] * total) if schedule == "flat-linear" else warmup
    progress = min(1.0, max(0.0, (step - start) / max(1, total - start)))
    shape = 0.5 * (1 + math.cos(math.pi * progress)) if schedule == "cosine" else 1 - progress
    return float(peak * (final + (1 - final) * shape))
