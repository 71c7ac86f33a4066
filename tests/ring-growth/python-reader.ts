import assert from "node:assert/strict";
import { PythonProgram } from "../support/python-program.ts";

/** A program in Python that scans and watches all groups through one router, and knows of no topology. */
export class PythonReader {
  readonly #args: readonly string[];
  readonly #watch: PythonProgram;
  /** By key, the revisions in the order in which it was told. */
  readonly told = new Map<string, number[]>();

  /** `descriptors`: the file with the schema. */
  constructor(descriptors: string, router: string) {
    this.#args = [descriptors, router];
    this.#watch = this.#start("watch");
  }

  /** Resolves when all groups are watched. The promise in the answer rejects when the watch has ended. */
  async ready(): Promise<{ readonly followed: Promise<never> }> {
    await this.#watch.next();
    const followed = this.#follow();
    followed.catch(() => {});
    return { followed };
  }

  /** What it finds in a scan, in the order in which it is found. */
  async scan(): Promise<string[]> {
    const scan = this.#start("scan");
    scan.tell("go on");
    const found: string[] = [];
    for (;;) {
      const line = await scan.next<{ keys?: string[] }>();
      if (line?.keys === undefined) {
        assert.deepEqual(line, { end: true });
        return found;
      }
      found.push(...line.keys);
    }
  }

  close(): void {
    this.#watch.kill();
  }

  #start(call: "scan" | "watch"): PythonProgram {
    return new PythonProgram("all-groups.py", [...this.#args, call, ""]);
  }

  async #follow(): Promise<never> {
    for (;;) {
      const line = await this.#watch.next<{ events?: [string, number][] }>();
      if (line?.events === undefined)
        throw new Error(`the watch of Python has ended: ${JSON.stringify(line)}`);
      for (const [key, revision] of line.events) {
        const revisions = this.told.get(key) ?? [];
        revisions.push(revision);
        this.told.set(key, revisions);
      }
    }
  }
}
