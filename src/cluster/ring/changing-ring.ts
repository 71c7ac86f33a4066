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

export function isSameMove(a: Move, b: Move): boolean {
  return a.from === b.from && a.to === b.to;
}

/** Who owns which key while one ring changes into another, move by move. A ring that does not change has no moves. */
export class ChangingRing {
  readonly #present: HashRing;
  readonly #next: HashRing;
  readonly #done: readonly Move[];

  /** `done`: moves that have ended. */
  constructor(present: HashRing, next = present, done: readonly Move[] = []) {
    this.#present = present;
    this.#next = next;
    this.#done = done;
  }

  /** The group that the key belongs to now. Undefined when there are no groups. */
  owner(key: string): string | undefined {
    return this.#ownerAt(hashOfKey(key));
  }

  /** The move that the key is still to take part in. Undefined when it stays where it is. */
  moveOf(key: string): Move | undefined {
    return this.#moveAt(hashOfKey(key));
  }

  /** The moves that have not ended, in the order of their names. */
  moves(): MoveShare[] {
    const moves: (MoveShare & { share: number })[] = [];
    for (const { end, share } of this.#arcs()) {
      const move = this.#moveAt(end);
      if (move === undefined) continue;
      const known = moves.find((other) => isSameMove(other, move));
      if (known === undefined) moves.push({ ...move, share });
      else known.share += share;
    }
    return moves.sort((a, b) => (a.from === b.from ? compare(a.to, b.to) : compare(a.from, b.from)));
  }

  /** The share of all hash values that each group owns now; groups that own nothing are left out. */
  shares(): Map<string, number> {
    const shares = new Map<string, number>();
    for (const { end, share } of this.#arcs()) {
      const owner = this.#ownerAt(end);
      if (owner !== undefined) shares.set(owner, (shares.get(owner) ?? 0) + share);
    }
    return shares;
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
    const move = { from, to };
    return this.#done.some((done) => isSameMove(done, move)) ? undefined : move;
  }

  #arcs() {
    return arcsOf([...new Set([...this.#present.points, ...this.#next.points])].sort((a, b) => a - b));
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
