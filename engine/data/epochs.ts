/** The order in which items are visited: epoch after epoch, each shuffled anew from the seed. */
import { shuffledOrder } from './random.js';

/** A visit of an item. */
export interface Visit {
  item: number;
  epoch: number;
}

/** An endless stream of visits; where it stands is a number, so any step can be recomputed on its own. */
export class EpochOrder {
  private readonly orders = new Map<number, Uint32Array>();

  constructor(
    private readonly count: number,
    private readonly seed: number,
  ) {
    if (count < 1) throw new Error('there must be items to visit');
  }

  /** `length` visits from position `start`, which may run over the end of an epoch. */
  visits(start: number, length: number): Visit[] {
    return Array.from({ length }, (_, i) => {
      const epoch = Math.floor((start + i) / this.count);
      return { item: this.order(epoch)[(start + i) % this.count]!, epoch };
    });
  }

  private order(epoch: number): Uint32Array {
    let order = this.orders.get(epoch);
    if (order === undefined) {
      for (const old of this.orders.keys()) if (old < epoch - 1) this.orders.delete(old);
      this.orders.set(epoch, (order = shuffledOrder(this.count, this.seed, epoch)));
    }
    return order;
  }
}

/**
 * Visits of one optimiser step of supervised training: `batchSize` of an epoch, fewer at its end.
 * Steps are counted from 0; an epoch has ⌈count / batchSize⌉ of them.
 */
export function supervisedStep(order: EpochOrder, count: number, batchSize: number, step: number): Visit[] {
  const perEpoch = Math.ceil(count / batchSize);
  const epoch = Math.floor(step / perEpoch);
  const start = (step % perEpoch) * batchSize;
  return order.visits(epoch * count + start, Math.min(batchSize, count - start));
}

/** Optimiser steps of `epochs`, which may have a fraction. */
export function supervisedSteps(count: number, batchSize: number, epochs: number): number {
  return Math.max(1, Math.round(epochs * Math.ceil(count / batchSize)));
}
