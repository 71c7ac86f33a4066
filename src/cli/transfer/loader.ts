import { createHash } from "node:crypto";
import type { KvClient, PutStep } from "../../client/index.ts";
import { KvError } from "../../client/index.ts";
import type { Line, LineStart } from "./json-lines.ts";

/** A line of a file, and what it puts. */
export interface PutLine {
  readonly line: Line;
  readonly step: PutStep;
}

/** A batch of this size costs a small part of what its lines would cost one by one. */
const batchStepsMax = 500;
const batchBytesMax = 256 * 1024;

/**
 * A batch ends where a block of the file ends, so that an import that starts again at a block makes the same batches with
 * the same request ids. A late batch of a killed import is then known as a repetition, and changes nothing.
 */
const blockBytes = 512 * 1024;

/** Enough batches to keep every node busy while answers are on their way. */
const underWayMax = 16;
const underWayBytesMax = 32 * 1024 * 1024;

/** Whether the line itself is the cause of an error, so that other lines may still succeed. */
function isOfLine(reason: unknown): reason is KvError {
  return reason instanceof KvError && (reason.code === "invalid" || reason.code === "refused");
}

function blockOf({ start }: LineStart): number {
  return Math.floor(start / blockBytes);
}

/** The request id of these lines in this import. */
function nameOf(importId: string, puts: readonly PutLine[]): string {
  const hash = createHash("sha256").update(importId);
  for (const { line } of puts) hash.update(`\n${line.number} `).update(line.bytes);
  return hash.digest("base64url");
}

interface Batch {
  readonly puts: Map<string, PutLine>;
  /** Where the first line of its block begins. */
  readonly block: LineStart;
  bytes: number;
}

/**
 * Puts lines, many at a time, in bounded memory. Lines are sent in batches, one group each. A later line of a key is sent
 * only when the earlier one is in the store. If the servers refuse a batch because of a line, it is sent in halves, down to
 * that line, which is reported to `onBad`. The others go on when `onBad` returns, and stop with what it throws.
 */
export class Loader {
  readonly #client: Pick<KvClient, "batch" | "locate">;
  readonly #onBad: (line: Line, reason: string) => void;
  readonly #importId: string;
  /** The batches that take lines, by group. */
  readonly #open = new Map<string, Batch>();
  /** The batches that may not be in the store, in the order of their first lines. */
  readonly #unsettled = new Set<Batch>();
  readonly #underWay = new Map<Batch, Promise<void>>();
  /** The batch under way that has a key. */
  readonly #keysUnderWay = new Map<string, Batch>();
  #block: LineStart = { number: 1, start: 0 };
  #bytesUnderWay = 0;
  #done = 0;
  #failure: { readonly reason: unknown } | undefined;

  constructor(
    client: Pick<KvClient, "batch" | "locate">,
    onBad: (line: Line, reason: string) => void,
    importId: string,
  ) {
    this.#client = client;
    this.#onBad = onBad;
    this.#importId = importId;
  }

  /** Takes a line, once there is room for it. Rejects when an earlier line has failed for good. */
  async add(put: PutLine): Promise<void> {
    this.#throwFailure();
    if (blockOf(put.line) !== blockOf(this.#block)) {
      await this.flush();
      this.#block = put.line;
    }
    const key = put.step.put;
    let group: string;
    try {
      ({ group } = await this.#client.locate(key));
    } catch (reason) {
      if (isOfLine(reason)) return this.#onBad(put.line, reason.message);
      throw reason;
    }
    const batch = await this.#batchFor(group, put);
    batch.puts.set(key, put);
    batch.bytes += put.line.bytes.length;
  }

  /** Sends the lines that have been added, once there is room for them. Rejects as `add` does. */
  async flush(): Promise<void> {
    for (const [group, batch] of this.#open) await this.#send(group, batch);
  }

  /** Resolves when nothing is under way any more. Rejects as `add` does. */
  async settle(): Promise<void> {
    if (this.#failure === undefined) await this.flush();
    await Promise.all(this.#underWay.values());
    this.#throwFailure();
  }

  /** Where to start again: the first line of the earliest block with lines that may not be in the store; else undefined. */
  get unsettled(): LineStart | undefined {
    const [oldest] = this.#unsettled;
    return oldest?.block;
  }

  /** Lines that have been put. */
  get done(): number {
    return this.#done;
  }

  /** A batch of the group that has room for the line. */
  async #batchFor(group: string, { line, step }: PutLine): Promise<Batch> {
    // An earlier line of a key that has changed hands since waits in the batch of its former group.
    for (const [other, batch] of this.#open)
      if (other !== group && batch.puts.has(step.put)) await this.#send(other, batch);
    const open = this.#open.get(group);
    if (open !== undefined) {
      const { puts, bytes } = open;
      const isFull = puts.size >= batchStepsMax || bytes + line.bytes.length > batchBytesMax;
      if (!isFull && !puts.has(step.put)) return open;
      await this.#send(group, open);
    }
    const batch = { puts: new Map(), block: this.#block, bytes: 0 };
    this.#open.set(group, batch);
    this.#unsettled.add(batch);
    return batch;
  }

  /** Sends a batch once there is room for it, and no earlier line of one of its keys is under way. */
  async #send(group: string, batch: Batch): Promise<void> {
    this.#open.delete(group);
    for (const key of batch.puts.keys()) {
      const earlier = this.#keysUnderWay.get(key);
      if (earlier !== undefined) await this.#underWay.get(earlier);
    }
    const isRoom = () =>
      this.#underWay.size < underWayMax && this.#bytesUnderWay + batch.bytes <= underWayBytesMax;
    while (this.#underWay.size > 0 && !isRoom()) await Promise.race(this.#underWay.values());
    this.#throwFailure();
    this.#begin(batch);
  }

  #begin(batch: Batch): void {
    this.#bytesUnderWay += batch.bytes;
    for (const key of batch.puts.keys()) this.#keysUnderWay.set(key, batch);
    const running = this.#put([...batch.puts.values()]).then(
      () => void this.#unsettled.delete(batch),
      (reason) => {
        this.#failure ??= { reason };
      },
    );
    const ended = running.then(() => {
      this.#bytesUnderWay -= batch.bytes;
      for (const key of batch.puts.keys()) this.#keysUnderWay.delete(key);
      this.#underWay.delete(batch);
    });
    this.#underWay.set(batch, ended);
  }

  async #put(puts: readonly PutLine[]): Promise<void> {
    try {
      await this.#client.batch(
        puts.map(({ step }) => step),
        { requestId: nameOf(this.#importId, puts) },
      );
      this.#done += puts.length;
    } catch (reason) {
      const [first] = puts;
      if (!isOfLine(reason) || first === undefined) throw reason;
      if (puts.length === 1) return this.#onBad(first.line, reason.message);
      const middle = Math.ceil(puts.length / 2);
      await this.#put(puts.slice(0, middle));
      await this.#put(puts.slice(middle));
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}
