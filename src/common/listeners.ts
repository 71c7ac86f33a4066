/**
 * Calls a listener. An error that it throws is a bug and must show, but must not keep other listeners from being
 * called.
 */
export function callListener(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Listeners that are told values one after another, in the same order each. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();
  /** Values that not all listeners have been told. */
  readonly #untold: T[] = [];

  /** Returns a function that stops the listener. The same function may be added several times. */
  add(listener: (value: T) => void): () => void {
    const entry = (value: T) => listener(value);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** When a listener causes the next value, later listeners still get the earlier one first. */
  tell(value: T): void {
    this.#untold.push(value);
    if (this.#untold.length > 1) return;
    for (let [next] = this.#untold; next !== undefined; [next] = this.#untold) {
      const told = next;
      for (const listener of [...this.#listeners]) {
        if (this.#listeners.has(listener)) callListener(() => listener(told));
      }
      this.#untold.shift();
    }
  }
}
