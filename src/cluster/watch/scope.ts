/** The keys that a watch covers. */
export type WatchScope =
  | { readonly kind: "all" }
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "prefix"; readonly prefix: string };

export function includes(scope: WatchScope, key: string): boolean {
  switch (scope.kind) {
    case "all":
      return true;
    case "key":
      return key === scope.key;
    case "prefix":
      return key.startsWith(scope.prefix);
  }
}

/**
 * Finds the members whose scope includes a key. The cost depends on how many are found and on how many different
 * lengths the prefixes have, not on the number of scopes.
 */
export class ScopeIndex<T> {
  readonly #byKey = new Map<string, Set<T>>();
  /** By length, then by the prefix itself. */
  readonly #byPrefix = new Map<number, Map<string, Set<T>>>();

  add(scope: WatchScope, member: T): void {
    const sets = this.#setsOf(scope);
    const name = nameOf(scope);
    const set = sets.get(name);
    if (set === undefined) sets.set(name, new Set([member]));
    else set.add(member);
  }

  delete(scope: WatchScope, member: T): void {
    const sets = this.#setsOf(scope);
    const name = nameOf(scope);
    const set = sets.get(name);
    set?.delete(member);
    if (set?.size === 0) sets.delete(name);
    if (scope.kind !== "key" && sets.size === 0) this.#byPrefix.delete(name.length);
  }

  *find(key: string): IterableIterator<T> {
    yield* this.#byKey.get(key) ?? [];
    for (const [length, sets] of this.#byPrefix) {
      if (length <= key.length) yield* sets.get(key.slice(0, length)) ?? [];
    }
  }

  #setsOf(scope: WatchScope): Map<string, Set<T>> {
    if (scope.kind === "key") return this.#byKey;
    const { length } = nameOf(scope);
    const sets = this.#byPrefix.get(length) ?? new Map<string, Set<T>>();
    this.#byPrefix.set(length, sets);
    return sets;
  }
}

function nameOf(scope: WatchScope): string {
  if (scope.kind === "all") return "";
  return scope.kind === "key" ? scope.key : scope.prefix;
}
