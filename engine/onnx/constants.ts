import type { ConstantData, DType, Shape } from './types.js';
import { elements } from './types.js';

/** Packs JavaScript numbers into the typed array that `dtype` is stored as. */
export function pack(dtype: DType, values: ArrayLike<number>): ConstantData {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values);
    case 'int32':
      return Int32Array.from(values);
    case 'int64':
      return BigInt64Array.from(Array.from(values, (value) => BigInt(value)));
    case 'bool':
    case 'uint8':
      return Uint8Array.from(values);
  }
}

/** @throws if `data` has not as many elements as `shape` says. */
export function checkSize(shape: Shape, data: ConstantData): void {
  if (elements(shape) !== data.length) {
    throw new Error(`constant of shape [${shape.join()}] given ${data.length} elements`);
  }
}
