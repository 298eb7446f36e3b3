"""Checkpoints on their way to the store while training goes on."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Callable, Protocol

from .events import emit


class Saves(Protocol):
    """What stores the files of a step."""

    def save(self, step: int, directory: Path) -> None: ...


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


class Uploads:
    """One upload after the other; of several that wait, only the newest is worth its upload."""

    def __init__(self, checkpoints: Saves, discard: Callable[[Path], None] = _remove) -> None:
        self._checkpoints = checkpoints
        self._discard = discard
        self._changed = threading.Condition()
        self._waiting: tuple[int, Path, float] | None = None
        # When training had nothing left to do but wait.
        self._settling: float | None = None
        self._busy = False
        self._failure: BaseException | None = None
        threading.Thread(target=self._work, name="uploads", daemon=True).start()

    def add(self, step: int, directory: Path, held: float = 0) -> None:
        """
        Take over `directory`, which is deleted once it is stored. Raises what an earlier upload raised.
        `held`: seconds for which training stood still to write it.
        """
        with self._changed:
            self._raise()
            if self._waiting:
                self._discard(self._waiting[1])
            self._waiting = (step, directory, held)
            self._changed.notify_all()

    def settle(self) -> None:
        """Wait until everything is stored. Raises what an upload raised."""
        with self._changed:
            self._settling = time.monotonic()
            while (self._waiting or self._busy) and self._failure is None:
                self._changed.wait()
            self._raise()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _times(self, began: float) -> dict[str, float]:
        """Seconds of an upload that ends now, and for how many of them training waited for it."""
        now = time.monotonic()
        waited = 0.0 if self._settling is None else now - max(began, self._settling)
        return {"seconds": round(now - began, 3), "waited": round(waited, 3)}

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None:
                    self._changed.wait()
                (step, directory, held), self._waiting, self._busy = self._waiting, None, True
            began = time.monotonic()
            failure: BaseException | None = None
            try:
                self._checkpoints.save(step, directory)
                emit("stored", step=step, held=round(held, 3), **self._times(began))
                self._discard(directory)
            except BaseException as error:  # noqa: BLE001 - told to whoever trains
                failure = error
            with self._changed:
                self._busy, self._failure = False, failure
                self._changed.notify_all()
                if failure is not None:
                    return
