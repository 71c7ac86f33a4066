/** Listeners by the path that they watch. A path has a listener once, however often it is added. */
export class PathListeners<Listener> {
  readonly #byPath = new Map<string, Set<Listener>>();

  add(path: string, listener: Listener): void {
    const listeners = this.#byPath.get(path);
    if (listeners === undefined) this.#byPath.set(path, new Set([listener]));
    else listeners.add(listener);
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** The listeners of a path now. */
  at(path: string): Listener[] {
    return [...(this.#byPath.get(path) ?? [])];
  }

  /** Paths that have a listener now. */
  paths(): string[] {
    return [...this.#byPath.keys()];
  }

  /** Removes and returns the listeners of a path. */
  take(path: string): Listener[] {
    const listeners = this.at(path);
    this.#byPath.delete(path);
    return listeners;
  }

  /** Removes one listener of a path. */
  delete(path: string, listener: Listener): void {
    const listeners = this.#byPath.get(path);
    if (listeners?.delete(listener) && listeners.size === 0) this.#byPath.delete(path);
  }
}
