/** Width of a bucket: what a quantile is off by at most. */
const step = 1.01;
const logStep = Math.log(step);
const leastMs = 0.001;
const buckets = Math.ceil(Math.log(600_000 / leastMs) / logStep);

/** Latencies from 1 µs to 10 minutes in buckets of 1 %: costs the same memory however many there are. */
export class Latencies {
  readonly #counts = new Float64Array(buckets);
  #count = 0;

  add(ms: number): void {
    const index = Math.floor(Math.log(ms / leastMs) / logStep);
    // Also what took no time that the clock could see.
    const held = index > 0 ? Math.min(index, buckets - 1) : 0;
    this.#counts[held] = (this.#counts[held] ?? 0) + 1;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  /** What so large a part of all did not take longer than, to 1 %; NaN of none. */
  quantileMs(part: number): number {
    let missing = Math.max(1, Math.ceil(this.#count * part));
    if (this.#count === 0) return Number.NaN;
    for (const [index, count] of this.#counts.entries()) {
      missing -= count;
      if (missing <= 0) return leastMs * step ** (index + 1);
    }
    return Number.NaN;
  }

  get summary(): LatencySummary {
    return {
      p50Ms: this.quantileMs(0.5),
      p99Ms: this.quantileMs(0.99),
      p999Ms: this.quantileMs(0.999),
    };
  }
}

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}
