/**
 * JSON with sorted keys and no spaces, so that equal values have equal bytes and equal hashes.
 * Properties that are `undefined` are left out.
 *
 * @throws TypeError for values JSON cannot carry (NaN, functions, cycles), naming their path.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', new Set());
}

function write(value: unknown, path: string, above: Set<object>): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${path} is ${value}, which JSON cannot carry`);
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') throw new TypeError(`${path} is a ${typeof value}, which JSON cannot carry`);
  if (above.has(value)) throw new TypeError(`${path} refers to itself`);

  above.add(value);
  const text = Array.isArray(value)
    ? `[${value.map((item, i) => write(item ?? null, `${path}[${i}]`, above)).join(',')}]`
    : `{${Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, item]) => `${JSON.stringify(key)}:${write(item, `${path}.${key}`, above)}`)
        .join(',')}}`;
  above.delete(value);
  return text;
}
