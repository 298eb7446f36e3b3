"""The order in which samples are visited, the same as in the embedded engine (`engine/data/random.ts`, `epochs.ts`)."""

from __future__ import annotations

from typing import Iterator, Sized

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
    """A sampler for torch's DataLoader: the order of the epoch that was set last."""

    def __init__(self, data: Sized, seed: int) -> None:
        self.count = len(data)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(shuffled_order(self.count, self.seed, self.epoch))

    def __len__(self) -> int:
        return self.count
