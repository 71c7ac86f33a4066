/** Keys of 20 bytes. Each set of keys has a number of its own, so that none meets another's values. */
export function keyOf(set: number, index: number): string {
  return `${keyPrefix(set)}${String(index).padStart(12, "0")}`;
}

export function keyPrefix(set: number): string {
  return `key:${String(set).padStart(4, "0")}`;
}

export const keyChoices = ["uniform", "zipf"] as const;
export type KeyChoice = (typeof keyChoices)[number];

/** Chooses indexes below `count`, each with the same chance. */
export function uniform(count: number, random: () => number): () => number {
  return () => Math.floor(random() * count);
}

/**
 * Chooses indexes below `count` such that the n-th most popular has a chance of 1/n^theta of that of the first, by the
 * method of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), as YCSB does, with its
 * theta. Popular ones are spread over all.
 */
export function zipf(count: number, random: () => number, theta = 0.99): () => number {
  let zeta = 0;
  for (let rank = 1; rank <= count; rank++) zeta += rank ** -theta;
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - (1 + 0.5 ** theta) / zeta);
  return () => {
    const part = random();
    const scaled = part * zeta;
    if (scaled < 1) return spread(0, count);
    if (scaled < 1 + 0.5 ** theta) return spread(1, count);
    return spread(Math.min(count - 1, Math.floor(count * (eta * part - eta + 1) ** alpha)), count);
  };
}

/** A walk through all indexes: the step is prime, and greater than every count in use has as a factor. */
export function spread(rank: number, count: number): number {
  return (rank * 611_953) % count;
}
