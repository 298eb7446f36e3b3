"""Whether anybody still wants a server: its stop record, its lease, the system's SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from typing import Callable

from .store import Store

LOOK_SECONDS = 2.0
# Ray kills a job three seconds after SIGTERM.
TICK_SECONDS = 0.2


class Hold:
    """Ends once and for a reason. No clock of another machine is read: a lease counts as renewed when its record changed."""

    def __init__(self, store: Store, root: str, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._root = root
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._over = threading.Event()
        self._lease: bytes | None = None
        self._renewed_at = clock()
        self._terminated = False
        self.reason = ""

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until nobody wants the server; True where nobody does."""
        return self._over.wait(seconds)

    def watch(self) -> None:
        """Look at the records from now on; call it from the main thread."""
        signal.signal(signal.SIGTERM, self._terminate)
        threading.Thread(target=self._watch, name="hold", daemon=True).start()

    def look(self) -> None:
        """One look. A store that is away renews nothing: judgements could not be stored either."""
        try:
            if self._store.exists(f"{self._root}/stop.json"):
                return self.end("told to stop")
            lease = self._store.get(f"{self._root}/hold.json")
            if lease != self._lease:
                self._lease, self._renewed_at = lease, self._clock()
        except Exception as error:  # noqa: BLE001 - the lease decides
            print(f"the records of the server cannot be read: {error}", flush=True)
        if self._clock() - self._renewed_at > self._lease_seconds:
            self.end(f"nobody has renewed the lease for {self._lease_seconds:.0f} s")

    def end(self, reason: str) -> None:
        if not self._over.is_set():
            self.reason = reason
            self._over.set()

    def _terminate(self, *_: object) -> None:
        # Runs between any two steps of the main thread, which may hold the event's lock: only a flag is safe.
        self._terminated = True

    def _watch(self) -> None:
        looked_at = -LOOK_SECONDS
        while not self._over.is_set():
            if self._terminated:
                return self.end("SIGTERM")
            if time.monotonic() - looked_at >= LOOK_SECONDS:
                self.look()
                looked_at = time.monotonic()
            self._over.wait(TICK_SECONDS)
