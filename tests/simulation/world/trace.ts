import { hash32 } from "./random.ts";

/** What happened in a run, in order: always as a hash, as lines too when somebody is to read them. */
export class Trace {
  /** Undefined when nobody will read them. */
  readonly lines: string[] | undefined;
  #hash = 0x811c9dc5;
  #length = 0;
  readonly #time = new Float64Array(1);
  readonly #timeBits = new Uint32Array(this.#time.buffer);

  constructor(keepLines: boolean) {
    this.lines = keepLines ? [] : undefined;
  }

  /** The same for two runs only if the same things happened at the same times, in the same order. */
  get digest(): string {
    return `${this.#hash.toString(16).padStart(8, "0")}:${this.#length}`;
  }

  /** Something that is worth a line in a story. */
  note(timeMs: number, who: string, what: string): void {
    this.step(timeMs, who);
    this.#hash = hash32(what, this.#hash);
    this.lines?.push(`${timeMs.toFixed(2).padStart(10)}  ${who.padEnd(8)}  ${what}`);
  }

  /** Something that is not. */
  step(timeMs: number, what: string): void {
    this.#time[0] = timeMs;
    for (const bits of this.#timeBits) this.#hash = Math.imul(this.#hash ^ bits, 0x01000193);
    this.#hash = hash32(what, this.#hash);
    this.#length++;
  }
}
