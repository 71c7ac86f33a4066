import { arcsOf, type HashRing, hashOfKey } from "./hash-ring.ts";

/** All keys that one group has in the present ring and another one in the next. They change hands together. */
export interface Move {
  readonly from: string;
  readonly to: string;
}

/** A move, and how much of the ring it is. */
export interface MoveShare extends Move {
  /** Of all hash values, from 0 to 1. */
  readonly share: number;
}

/** Who has the keys with a hash. */
export interface OwnedHash {
  /** The group that they belong to now. */
  readonly owner: string;
  /** The group that they are still to move to. */
  readonly to: string | undefined;
}

export function isSameMove(a: Move, b: Move): boolean {
  return a.from === b.from && a.to === b.to;
}

/** Who owns which key while one ring changes into another, move by move. A ring that does not change has no moves. */
export class ChangingRing {
  readonly #present: HashRing;
  readonly #next: HashRing;
  /** Of the moves that have ended: the destinations, by source. Every look-up of a key asks it. */
  readonly #done: ReadonlyMap<string, ReadonlySet<string>>;
  /** Once they were asked for: it takes longer the more points there are. */
  #moves: readonly MoveShare[] | undefined;

  /** `done`: moves that have ended. */
  constructor(present: HashRing, next = present, done: readonly Move[] = []) {
    this.#present = present;
    this.#next = next;
    this.#done = destinationsOf(done);
  }

  /** The group that the key belongs to now. Undefined when there are no groups. */
  owner(key: string): string | undefined {
    return this.#ownerAt(hashOfKey(key));
  }

  /** The move that the key is still to take part in. Undefined when it stays where it is. */
  moveOf(key: string): Move | undefined {
    return this.#moveAt(hashOfKey(key));
  }

  /** Whether the key is still to change hands with this move. */
  isMoved(key: string, move: Move): boolean {
    const own = this.moveOf(key);
    return own !== undefined && isSameMove(own, move);
  }

  /** The moves that have not ended, in the order of their names. */
  moves(): readonly MoveShare[] {
    this.#moves ??= this.#next === this.#present ? [] : this.#findMoves();
    return this.#moves;
  }

  /** Whether a move has not ended. */
  has(move: Move): boolean {
    return this.moves().some((other) => isSameMove(other, move));
  }

  #findMoves(): MoveShare[] {
    const shares = new Map<string, Map<string, number>>();
    for (const { end, share } of this.#arcs()) {
      const move = this.#moveAt(end);
      if (move === undefined) continue;
      const { from, to } = move;
      const ofSource = shares.get(from) ?? new Map<string, number>();
      shares.set(from, ofSource.set(to, (ofSource.get(to) ?? 0) + share));
    }
    return [...shares]
      .flatMap(([from, ofSource]) => [...ofSource].map(([to, share]) => ({ from, to, share })))
      .sort((a, b) => compare(a.from, b.from) || compare(a.to, b.to));
  }

  /** The share of all hash values that each group owns now. Exact: the sum is 1. Groups that own nothing are left out. */
  shares(): Map<string, number> {
    const shares = new Map<string, number>();
    for (const { end, share } of this.#arcs()) {
      const owner = this.#ownerAt(end);
      if (owner !== undefined) shares.set(owner, (shares.get(owner) ?? 0) + share);
    }
    return shares;
  }

  /** Who has the keys with this hash. Undefined when there are no groups. */
  at(hash: number): OwnedHash | undefined {
    const owner = this.#ownerAt(hash);
    return owner === undefined ? undefined : { owner, to: this.#moveAt(hash)?.to };
  }

  #ownerAt(hash: number): string | undefined {
    const present = this.#present.ownerAt(hash);
    if (this.#next === this.#present) return present;
    return this.#moveAt(hash) === undefined ? this.#next.ownerAt(hash) : present;
  }

  #moveAt(hash: number): Move | undefined {
    if (this.#next === this.#present) return undefined;
    const from = this.#present.ownerAt(hash);
    const to = this.#next.ownerAt(hash);
    if (from === undefined || to === undefined || from === to) return undefined;
    return this.#done.get(from)?.has(to) ? undefined : { from, to };
  }

  #arcs() {
    const { points } = this.#present;
    if (this.#next === this.#present) return arcsOf(points);
    return arcsOf(Uint32Array.from(new Set([...points, ...this.#next.points])).sort());
  }
}

function destinationsOf(moves: readonly Move[]): Map<string, Set<string>> {
  const destinations = new Map<string, Set<string>>();
  for (const { from, to } of moves) {
    destinations.set(from, (destinations.get(from) ?? new Set<string>()).add(to));
  }
  return destinations;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
