/** How much to read of a znode: its data, or also the list of its children. */
export type Extent = "data" | "all";

/** What has to be read, in the order in which it was noticed. Nothing is read twice at a time. */
export class ReadingQueue {
  readonly #waiting = new Map<string, Extent>();
  readonly #reading = new Set<string>();
  /** Has changed while it was read, maybe after that. */
  readonly #again = new Map<string, Extent>();

  /** Whether there is nothing more to read. */
  get isIdle(): boolean {
    return this.#waiting.size + this.#reading.size === 0;
  }

  get waiting(): number {
    return this.#waiting.size + this.#again.size;
  }

  get reading(): number {
    return this.#reading.size;
  }

  add(path: string, extent: Extent): void {
    const queue = this.#reading.has(path) ? this.#again : this.#waiting;
    if (extent === "all" || !queue.has(path)) queue.set(path, extent);
  }

  /** Begins to read what has waited longest. Undefined when nothing waits. */
  begin(): { path: string; extent: Extent } | undefined {
    const [next] = this.#waiting;
    if (next === undefined) return undefined;
    const [path, extent] = next;
    this.#waiting.delete(path);
    this.#reading.add(path);
    return { path, extent };
  }

  end(path: string): void {
    this.#reading.delete(path);
    const extent = this.#again.get(path);
    if (extent === undefined) return;
    this.#again.delete(path);
    this.add(path, extent);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting.clear();
    this.#again.clear();
  }
}
