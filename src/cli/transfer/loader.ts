import { createHash } from "node:crypto";
import type { KvClient, PutStep } from "../../client/index.ts";
import { KvError } from "../../client/index.ts";
import type { Line, LineStart } from "./json-lines.ts";

/** A line of a file, and what it puts. */
export interface PutLine {
  readonly line: Line;
  readonly step: PutStep;
}

/** Puts lines, many at a time, in bounded memory. */
export interface Loader {
  /** Takes a line, once there is room for it. Rejects when an earlier one has failed for good. */
  add(put: PutLine): Promise<void>;
  /** Resolves when nothing is under way any more. Rejects as `add` does. */
  settle(): Promise<void>;
  /**
   * Where to go on: the first line of the earliest block of which some are not known to be in the store; undefined when
   * all that were taken are.
   */
  readonly unsettled: LineStart | undefined;
  /** Lines that have been put. */
  readonly done: number;
}

/** Batches of one group that cost a small part of what their lines would cost one by one. */
const batchStepsMax = 500;
const batchBytesMax = 256 * 1024;

/**
 * Batches end where a block of the file does, so that they are the same whenever the file is read from the beginning of
 * a block on. What is on its way of an import that was killed is so known by its name when it arrives late, and does
 * nothing to what has been put since.
 */
const blockBytes = 512 * 1024;

/** Enough to keep every node busy while answers are on their way. */
const underWayMax = 16;
const underWayBytesMax = 32 * 1024 * 1024;

/** Whether a line is the cause of an error: another line may fare better. */
function isOfLine(reason: unknown): reason is KvError {
  return reason instanceof KvError && (reason.code === "invalid" || reason.code === "refused");
}

function blockOf({ start }: LineStart): number {
  return Math.floor(start / blockBytes);
}

/** The name of these lines in this import. */
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
 * Lines go in batches, by group; of one key, a later line is never sent before an earlier one is in. Each line counts on
 * its own: a batch that the servers do not allow is sent in halves, down to the line that is the cause, which `onBad`
 * is told; lines go on when that returns, and end with what it throws.
 */
export function createLoader(
  client: Pick<KvClient, "batch" | "locate">,
  onBad: (line: Line, reason: string) => void,
  importId: string,
): Loader {
  /** Those that take lines, by group. */
  const open = new Map<string, Batch>();
  /** All that are not known to be in, in the order of their first lines. */
  const unsettled = new Set<Batch>();
  const underWay = new Map<Batch, Promise<void>>();
  /** The batch under way that has a key. */
  const keysUnderWay = new Map<string, Batch>();
  let block: LineStart = { number: 1, start: 0 };
  let bytesUnderWay = 0;
  let done = 0;
  let failure: { readonly reason: unknown } | undefined;

  async function put(puts: readonly PutLine[]): Promise<void> {
    try {
      await client.batch(
        puts.map(({ step }) => step),
        { requestId: nameOf(importId, puts) },
      );
      done += puts.length;
    } catch (reason) {
      const [first] = puts;
      if (!isOfLine(reason) || first === undefined) throw reason;
      if (puts.length === 1) return onBad(first.line, reason.message);
      const middle = Math.ceil(puts.length / 2);
      await put(puts.slice(0, middle));
      await put(puts.slice(middle));
    }
  }

  function begin(batch: Batch): void {
    bytesUnderWay += batch.bytes;
    for (const key of batch.puts.keys()) keysUnderWay.set(key, batch);
    const running = put([...batch.puts.values()]).then(
      () => void unsettled.delete(batch),
      (reason) => {
        failure ??= { reason };
      },
    );
    const ended = running.then(() => {
      bytesUnderWay -= batch.bytes;
      for (const key of batch.puts.keys()) keysUnderWay.delete(key);
      underWay.delete(batch);
    });
    underWay.set(batch, ended);
  }

  /** Sends a batch once there is room for it, and no earlier line of one of its keys is under way. */
  async function send(group: string, batch: Batch): Promise<void> {
    open.delete(group);
    for (const key of batch.puts.keys()) {
      const earlier = keysUnderWay.get(key);
      if (earlier !== undefined) await underWay.get(earlier);
    }
    const isRoom = () => underWay.size < underWayMax && bytesUnderWay + batch.bytes <= underWayBytesMax;
    while (underWay.size > 0 && !isRoom()) await Promise.race(underWay.values());
    throwFailure();
    begin(batch);
  }

  function throwFailure(): void {
    if (failure !== undefined) throw failure.reason;
  }

  async function flush(): Promise<void> {
    for (const [group, batch] of open) await send(group, batch);
  }

  return {
    async add(put) {
      throwFailure();
      if (blockOf(put.line) !== blockOf(block)) {
        await flush();
        block = put.line;
      }
      const key = put.step.put;
      const bytes = put.line.bytes.length;
      let group: string;
      try {
        ({ group } = await client.locate(key));
      } catch (reason) {
        if (isOfLine(reason)) return onBad(put.line, reason.message);
        throw reason;
      }
      let batch = open.get(group);
      const isFull = (to: Batch) =>
        to.puts.size >= batchStepsMax || to.bytes + bytes > batchBytesMax || to.puts.has(key);
      if (batch !== undefined && isFull(batch)) {
        await send(group, batch);
        batch = undefined;
      }
      if (batch === undefined) {
        batch = { puts: new Map(), block, bytes: 0 };
        open.set(group, batch);
        unsettled.add(batch);
      }
      batch.puts.set(key, put);
      batch.bytes += bytes;
    },
    async settle() {
      if (failure === undefined) await flush();
      await Promise.all(underWay.values());
      throwFailure();
    },
    get unsettled() {
      const [oldest] = unsettled;
      return oldest?.block;
    },
    get done() {
      return done;
    },
  };
}
