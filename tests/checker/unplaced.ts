import type { Item } from "./items.ts";

/**
 * The calls of a history that have not yet been given their place in the order that a search builds, and which of
 * them time and rank allow to be next. A call is named by its index: first come those that have returned and so
 * are required, then the optional ones, each in the order in which they were sent.
 */
export class Unplaced<Operation> {
  /** How many required calls are left. */
  requiredLeft: number;
  /** The optional calls that are placed: a bit for each. */
  optionalPlaced = 0n;

  readonly #items: readonly Item<Operation>[];
  readonly #required: number;
  readonly #placed: Uint8Array;
  /** The required calls that are left, linked in order. The list's head stands at the index `#required`. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #firstDue: FirstUnplaced;
  readonly #firstInRank: FirstUnplaced;
  /** The greatest required id that is placed, after each placement of a required call. */
  readonly #greatest: number[] = [];
  /** The optional calls, those together that nothing tells apart once they are sent. */
  readonly #alike: readonly (readonly number[])[];

  constructor(items: readonly Item<Operation>[]) {
    const sent = items.toSorted((a, b) => a.call.called - b.call.called);
    const required = sent.filter(({ call }) => call.returned !== undefined);
    const optional = sent.filter(({ call }) => call.returned === undefined);
    this.#items = [...required, ...optional];
    this.requiredLeft = required.length;
    this.#required = required.length;
    this.#placed = new Uint8Array(this.#items.length);
    const ring = required.length + 1;
    this.#next = Int32Array.from({ length: ring }, (_, id) => (id + 1) % ring);
    this.#previous = Int32Array.from({ length: ring }, (_, id) => (id + ring - 1) % ring);
    const deadlines = required.map(({ call }) => call.returned);
    this.#firstDue = new FirstUnplaced(deadlines, this.#placed);
    const ranks = required.map(({ rank }) => rank);
    this.#firstInRank = new FirstUnplaced(ranks, this.#placed);
    const optionalIds = optional.map((_, index) => required.length + index);
    this.#alike = [...Map.groupBy(optionalIds, (id) => this.item(id).likeness).values()];
  }

  item(id: number): Item<Operation> {
    const item = this.#items[id];
    if (item === undefined) throw new RangeError(`no call ${id}: there are ${this.#items.length}`);
    return item;
  }

  /** Required calls that can be next: sent before any that is left is due, and of the lowest rank that is left. */
  requiredNext(): number[] {
    const found: number[] = [];
    for (const id of this.#left()) {
      if (!this.#sentInTime(id)) break;
      if (this.#rankAllows(id)) found.push(id);
    }
    return found;
  }

  /** Optional calls that can be next; those that are alike are placed in the order in which they were sent. */
  optionalNext(): number[] {
    const found: number[] = [];
    for (const ids of this.#alike) {
      const id = ids.find((each) => this.#placed[each] === 0);
      if (id !== undefined && this.#sentInTime(id) && this.#rankAllows(id)) found.push(id);
    }
    return found;
  }

  place(id: number): void {
    this.#placed[id] = 1;
    if (id >= this.#required) {
      this.optionalPlaced |= this.#bit(id);
      return;
    }
    this.requiredLeft--;
    this.#link(at(this.#previous, id), at(this.#next, id));
    this.#greatest.push(Math.max(id, this.#greatest.at(-1) ?? id));
    this.#firstDue.placed();
    this.#firstInRank.placed();
  }

  /** Undoes the last placement, which must have been that of `id`. */
  takeBack(id: number): void {
    this.#placed[id] = 0;
    if (id >= this.#required) {
      this.optionalPlaced ^= this.#bit(id);
      return;
    }
    this.requiredLeft++;
    const next = at(this.#next, id);
    this.#link(at(this.#previous, id), id);
    this.#link(id, next);
    this.#greatest.pop();
    this.#firstDue.takenBack(id);
    this.#firstInRank.takenBack(id);
  }

  /**
   * Names the set of required calls that are placed: by the greatest of them and those below it that are missing.
   * These were under way at the same time, so that the name does not grow with the history.
   */
  requiredPlaced(): string {
    const greatest = this.#greatest.at(-1) ?? -1;
    let name = String(greatest);
    for (const id of this.#left()) {
      if (id > greatest) break;
      name += `,${id}`;
    }
    return name;
  }

  *#left(): Generator<number, void> {
    const head = this.#required;
    for (let id = at(this.#next, head); id !== head; id = at(this.#next, id)) yield id;
  }

  #sentInTime(id: number): boolean {
    const { first } = this.#firstDue;
    const deadline = first === undefined ? undefined : this.item(first).call.returned;
    return deadline === undefined || this.item(id).call.called <= deadline;
  }

  #rankAllows(id: number): boolean {
    const { first } = this.#firstInRank;
    const lowest = first === undefined ? undefined : this.item(first).rank;
    const { rank } = this.item(id);
    return lowest === undefined || rank === undefined || rank <= lowest;
  }

  #link(from: number, to: number): void {
    this.#next[from] = to;
    this.#previous[to] = from;
  }

  #bit(id: number): bigint {
    return 1n << BigInt(id - this.#required);
  }
}

/** Of the required calls that are not placed, the one with the least of some number. */
class FirstUnplaced {
  readonly #order: Int32Array;
  /** Of each call, in the order; -1: it has no number. */
  readonly #positions: Int32Array;
  readonly #placed: Uint8Array;
  #position = 0;

  constructor(numbers: readonly (number | undefined)[], placed: Uint8Array) {
    const numbered = [...numbers.entries()].flatMap(([id, number]) =>
      number === undefined ? [] : { id, number },
    );
    this.#order = Int32Array.from(numbered.toSorted((a, b) => a.number - b.number).map(({ id }) => id));
    this.#positions = new Int32Array(numbers.length).fill(-1);
    for (const [position, id] of this.#order.entries()) this.#positions[id] = position;
    this.#placed = placed;
  }

  get first(): number | undefined {
    return this.#order[this.#position];
  }

  placed(): void {
    while (this.first !== undefined && this.#placed[this.first] === 1) this.#position++;
  }

  takenBack(id: number): void {
    const position = at(this.#positions, id);
    if (position >= 0 && position < this.#position) this.#position = position;
  }
}

/** `index` is within bounds, always; the type of arrays does not say so. */
function at(numbers: Int32Array, index: number): number {
  return numbers[index] ?? 0;
}
