"""The order in which samples are visited, the same as in the embedded engine (`engine/data/random.ts`, `epochs.ts`)."""

from __future__ import annotations

import math
from typing import Iterator, Sequence, Sized

from .spec import Spec

_MASK = 0xFFFFFFFF
_SHUFFLING = 2


def philox(counter: tuple[int, int, int, int], key0: int, key1: int) -> tuple[int, int, int, int]:
    """One Philox-4x32-10 block (Salmon et al., SC'11)."""
    c0, c1, c2, c3 = counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ key0, p1 & _MASK, (p0 >> 32) ^ c3 ^ key1, p0 & _MASK
        key0, key1 = (key0 + 0x9E3779B9) & _MASK, (key1 + 0xBB67AE85) & _MASK
    return c0, c1, c2, c3


def shuffled_order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of 0 … count − 1 for one epoch of a seed."""
    key0, key1 = seed & _MASK, ((seed >> 32) & 0x1FFFFF) | (_SHUFFLING << 24)
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        low, high, _, _ = philox((i, epoch, 0, 0), key0, key1)
        j = ((high << 32) | low) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def visits(count: int, seed: int, length: int) -> list[int]:
    """The first `length` items of an endless stream of shuffled epochs."""
    found: list[int] = []
    epoch = 0
    while len(found) < length:
        found += shuffled_order(count, seed, epoch)
        epoch += 1
    return found[:length]


class EpochSampler:
    """
    A sampler for torch's DataLoader: the order of the epoch that was set last. Where several processes share an epoch, it
    is filled up to a multiple of `fill_to` with the item behind the last one, which must teach nothing.
    """

    def __init__(self, data: Sized, seed: int, fill_to: int = 1) -> None:
        self.count = len(data)
        self.seed = seed
        self.filling = -self.count % fill_to
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(shuffled_order(self.count, self.seed, self.epoch) + [self.count] * self.filling)

    def __len__(self) -> int:
        return self.count + self.filling


class EpochSteps:
    """Optimiser steps of some epochs: `batch` samples each, fewer at the end of an epoch (`engine/data/epochs.ts`)."""

    def __init__(self, lengths: Sequence[int], spec: Spec) -> None:
        self._lengths = lengths
        self._batch = spec["batchSize"]
        self._seed = spec["seed"]
        self._per_epoch = math.ceil(len(lengths) / self._batch)
        self.total = max(1, math.floor(spec["epochs"] * self._per_epoch + 0.5))
        self._orders: dict[int, list[int]] = {}

    def tokens(self, step: int) -> int:
        """Tokens of all samples of a step, counted from 1."""
        epoch, at = divmod(step - 1, self._per_epoch)
        if epoch not in self._orders:
            self._orders = {epoch: shuffled_order(len(self._lengths), self._seed, epoch)}
        return sum(self._lengths[i] for i in self._orders[epoch][at * self._batch : (at + 1) * self._batch])
