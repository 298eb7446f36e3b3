"""Checkpoints on their way to the store while training goes on."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from .events import emit
from .store import Checkpoints


class Uploads:
    """One upload after the other; of several that wait, only the newest is worth its upload."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._changed = threading.Condition()
        self._waiting: tuple[int, Path] | None = None
        self._busy = False
        self._failure: BaseException | None = None
        threading.Thread(target=self._work, name="uploads", daemon=True).start()

    def add(self, step: int, directory: Path) -> None:
        """Take over `directory`, which is deleted once it is stored. Raises what an earlier upload raised."""
        with self._changed:
            self._raise()
            if self._waiting:
                shutil.rmtree(self._waiting[1], ignore_errors=True)
            self._waiting = (step, directory)
            self._changed.notify_all()

    def settle(self) -> None:
        """Wait until everything is stored. Raises what an upload raised."""
        with self._changed:
            while (self._waiting or self._busy) and self._failure is None:
                self._changed.wait()
            self._raise()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None:
                    self._changed.wait()
                (step, directory), self._waiting, self._busy = self._waiting, None, True
            failure: BaseException | None = None
            try:
                self._checkpoints.save(step, directory)
                emit("stored", step=step)
                shutil.rmtree(directory, ignore_errors=True)
            except BaseException as error:  # noqa: BLE001 - told to whoever trains
                failure = error
            with self._changed:
                self._busy, self._failure = False, failure
                self._changed.notify_all()
                if failure is not None:
                    return
