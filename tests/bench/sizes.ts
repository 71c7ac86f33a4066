/** Lengths of values, as workloads are named after them, and how many keys there are of each. */
export const sizes = {
  "100B": { valueBytes: 100, keys: 100_000, set: 1 },
  "4KB": { valueBytes: 4096, keys: 10_000, set: 2 },
  "256KB": { valueBytes: 256 * 1024, keys: 200, set: 3 },
} as const;

export type Size = keyof typeof sizes;
export const callerCounts = [1, 32, 128, 512] as const;
