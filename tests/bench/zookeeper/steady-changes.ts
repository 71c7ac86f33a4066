import type { ZooKeeper } from "../../../src/zookeeper/index.ts";
import { Latencies } from "../latencies.ts";
import { changedPath } from "./watched-znodes.ts";

/** Sets that wait for their answer: more are no faster, as servers read no more than 1,000 requests ahead. */
const PENDING_MAX = 2000;
const PACE_MS = 2;
const data = new Uint8Array(100);

/** Changes that are made at a steady rate, to one znode after another, and how long it takes until each is told. */
export class SteadyChanges {
  readonly latencies = new Latencies();
  readonly #clients: readonly ZooKeeper[];
  /** When the last change of each znode was sent, in milliseconds since 1970; 0 once it was told. */
  readonly #sentMs: Float64Array;
  #sent = 0;
  #untold = 0;
  #pending = 0;
  #error: unknown;

  /** Changes the znodes of `count` watches over these clients, in turn. */
  constructor(clients: readonly ZooKeeper[], count: number) {
    this.#clients = clients;
    this.#sentMs = new Float64Array(count);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Changes that no watch has been told of yet. */
  get untold(): number {
    return this.#untold;
  }

  /** A watch was told of a change. */
  told(index: number, atMs: number): void {
    const sentMs = this.#sentMs[index] ?? 0;
    if (sentMs === 0) return;
    this.#sentMs[index] = 0;
    this.#untold--;
    this.latencies.add(Math.max(0, atMs - sentMs));
  }

  /**
   * Makes changes for so long. It falls behind the rate while too many wait for their answer, and at a znode of which the
   * last change was not told. Errors: those of `set`.
   */
  async run(perSecond: number, seconds: number): Promise<void> {
    const begunMs = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const elapsed = Math.min((performance.now() - begunMs) / 1000, seconds);
        while (this.#sent < elapsed * perSecond && this.#mayGoOn()) this.#change();
        if (elapsed < seconds && this.#error === undefined) return;
        clearInterval(timer);
        resolve();
      }, PACE_MS);
    });
    if (this.#error !== undefined) throw this.#error;
  }

  #mayGoOn(): boolean {
    return this.#pending < PENDING_MAX && this.#sentMs[this.#sent % this.#sentMs.length] === 0;
  }

  #change(): void {
    const index = this.#sent % this.#sentMs.length;
    const client = this.#clients[this.#sent % this.#clients.length];
    this.#sent++;
    this.#untold++;
    this.#pending++;
    this.#sentMs[index] = performance.timeOrigin + performance.now();
    client
      ?.set(changedPath(index), data)
      .catch((error) => {
        this.#error ??= error;
      })
      .finally(() => {
        this.#pending--;
      });
  }
}
