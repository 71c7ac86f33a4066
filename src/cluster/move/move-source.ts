import { sleep } from "../../common/clock.ts";
import { SerialQueue } from "../../common/serial-queue.ts";
import { explain } from "../metadata/diagnostics.ts";
import { refused } from "../metadata/operation-error.ts";
import type { MoveChunk, MoveOutAnswer, MoveOutRequest } from "../replication/peer.ts";
import { isSameMove, type Move } from "../ring/changing-ring.ts";
import { placementOf } from "../ring/placement.ts";
import { untilRingSeen } from "../ring/update-ring.ts";
import type { LogRecord } from "../storage/model.ts";
import type { SnapshotReader } from "../storage/replica-log.ts";
import type { MoveOptions } from "./options.ts";
import { Pacer } from "./pacer.ts";

/** Content of the records of one chunk: little, so that no turn gets long. A single record may be longer. */
const chunkBytesMax = 128 * 1024;

/**
 * The destination seals once few records are left. Where fewer than these fit into a chunk, since they are long, those that are
 * left count as so many more: each of them may take as long as many short ones, and its writers wait.
 */
const chunkRecordsMin = 250;

/** Names of attempts that are remembered: a step comes late by seconds, and attempts half a second after each other. */
const begunMax = 1000;

/** Longest time for which writes wait for a destination that does not go on. */
const sealMsMax = 5000;

/** After so long without a step, an attempt is over: its snapshot keeps compaction from running. */
const idleMsMax = 30_000;

/** Between two attempts, for a compaction to begin: they may fail one after another for as long as a disk is full. */
const betweenMs = 100;

/** One attempt of a destination to get the keys of a move. */
interface Attempt {
  readonly name: string;
  readonly change: number;
  readonly move: Move;
  readonly isMoved: (key: string) => boolean;
  /** The requests of all records after this revision are in the chunks. */
  readonly requestsAfter: number;
  /** Open until the attempt ends, so that no compaction removes what is still to be copied of the tail. */
  readonly snapshot: SnapshotReader;
  /** The log has been looked through up to here, once the snapshot, which ends here, has been read. */
  tailSeq: number;
  /** The last chunk, and its number. */
  last: { readonly index: number; readonly chunk: MoveChunk } | undefined;
  /** Set while no writes of the keys are taken. */
  seal: Seal | undefined;
}

interface Seal {
  /** The last record that may have changed one of the keys. */
  readonly seq: number;
  /** No record up to there with a higher revision has changed one. */
  readonly revision: number;
  readonly lifted: PromiseWithResolvers<void>;
  readonly cancelTimer: () => void;
}

/**
 * Gives the keys of a move away, while this node is the primary of the group that has them. The destination asks for one
 * step after another. Until the release, everything is undone by forgetting the attempt.
 */
export class MoveSource {
  readonly #options: MoveOptions;
  readonly #steps = new SerialQueue();
  readonly #pacer: Pacer;
  #attempt: Attempt | undefined;
  /** Names of the last attempts that have begun. */
  readonly #begun = new Set<string>();
  #cancelIdle = () => {};

  constructor(options: MoveOptions) {
    this.#options = options;
    this.#pacer = new Pacer({ ...options, signal: options.primary.ended });
    options.primary.ended.addEventListener("abort", () => this.#giveUp(), { once: true });
  }

  /** Set while no writes of the keys of a move are taken: resolves when they are taken again, or have another owner. */
  sealed(move: Move): Promise<void> | undefined {
    const attempt = this.#attempt;
    return attempt?.seal !== undefined && isSameMove(attempt.move, move)
      ? attempt.seal.lifted.promise
      : undefined;
  }

  /** Takes a step. Errors: refused (the attempt is not the present one, or has failed), unavailable. */
  async step(request: MoveOutRequest, signal: AbortSignal): Promise<MoveOutAnswer> {
    // Not among the steps: those of others need not wait for it.
    if (request.step.kind === "begin") await untilRingSeen(this.#options, request.change, signal);
    return await this.#steps.run(async () => {
      signal.throwIfAborted();
      this.#cancelIdle();
      try {
        return await this.#take(request, signal);
      } finally {
        if (this.#options.primary.ended.aborted) this.#giveUp();
        else if (this.#attempt !== undefined)
          this.#cancelIdle = this.#options.clock.timer(idleMsMax, () => this.#giveUp());
      }
    });
  }

  async #take(request: MoveOutRequest, signal: AbortSignal): Promise<MoveOutAnswer> {
    const { step } = request;
    if (step.kind === "begin") return await this.#begin(request, signal);
    const attempt = this.#attempt;
    if (attempt?.name !== nameOf(request)) throw refused("the attempt is over");
    switch (step.kind) {
      case "next":
        return { chunk: await this.#next(attempt, step.index, signal) };
      case "seal":
        this.#seal(attempt);
        return {};
      case "release":
        await this.#release(attempt, signal);
        return {};
    }
  }

  async #begin(request: MoveOutRequest, signal: AbortSignal): Promise<MoveOutAnswer> {
    const { to, change } = request;
    const name = nameOf(request);
    const { group, primary, store, topology, clock } = this.#options;
    primary.log.checkServing();
    // A release that is not committed yet may still be withdrawn.
    await primary.log.settled(signal);
    if (store.moves.change === change && store.moves.released.has(to)) return { released: true };
    const ring = topology.current?.ring?.value;
    const placement = ring && placementOf(ring);
    const move = placement?.moves().find((other) => isSameMove(other, { from: group, to }));
    if (placement === undefined || move === undefined || ring?.change?.id !== change) {
      throw refused(`no keys are to move from "${group}" to "${to}" by ring change ${change}`);
    }
    // One that began anew under its name would go on in the middle.
    if (this.#begun.has(name)) throw refused(`attempt ${name} has begun before`);
    this.#begun.add(name);
    for (const oldest of this.#begun) {
      if (this.#begun.size <= begunMax) break;
      this.#begun.delete(oldest);
    }
    if (this.#attempt !== undefined) {
      await this.#end();
      await sleep(clock, betweenMs, signal);
      signal.throwIfAborted();
    }
    // Of what is on disk, only what is committed may be copied. What follows is in the tail.
    const { seq: tailSeq } = store.visible;
    const isMoved = (key: string) => placement.isMoved(key, move);
    const snapshot = await store.openSnapshot(isMoved);
    const { requestsAfter } = snapshot;
    this.#attempt = {
      name,
      change,
      move,
      isMoved,
      requestsAfter,
      snapshot,
      tailSeq,
      last: undefined,
      seal: undefined,
    };
    const ownShare = placement.shares().get(group) ?? 1;
    return { keys: Math.round(store.keyCount * Math.min(1, move.share / ownShare)) };
  }

  async #next(attempt: Attempt, index: number, signal: AbortSignal): Promise<MoveChunk> {
    const { last } = attempt;
    if (last?.index === index) return last.chunk;
    if (index !== (last?.index ?? -1) + 1)
      throw refused(`chunk ${index} cannot follow ${last?.index ?? "none"}`);
    try {
      const chunk = await this.#read(attempt, signal);
      attempt.last = { index, chunk };
      return chunk;
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  async #read(attempt: Attempt, signal: AbortSignal): Promise<MoveChunk> {
    const { snapshot } = attempt;
    if (!snapshot.isAtEnd) return await this.#pacer.run(() => this.#readSnapshot(attempt));
    const { primary, store } = this.#options;
    const { seal } = attempt;
    if (seal !== undefined) await primary.log.committed(seal.seq, signal);
    const records = await store.read(attempt.tailSeq, chunkBytesMax);
    if (records === undefined) throw refused("a compaction has removed records that were still to be copied");
    const visible = records.filter(({ seq }) => seq <= store.visible.seq);
    attempt.tailSeq = visible.at(-1)?.seq ?? attempt.tailSeq;
    const left = store.visible.seq - attempt.tailSeq;
    const chunk = {
      records: this.#copies(visible.flatMap((record) => partOf(record, attempt.isMoved) ?? [])),
      behind: Math.ceil(left * Math.max(1, chunkRecordsMin / Math.max(1, visible.length))),
    };
    if (seal === undefined || attempt.tailSeq < seal.seq) return chunk;
    // Watches of the destination wait for those of here, which learn of a release, but of no seal whose attempt fails then.
    this.#options.tellProgress();
    // Also of a request that is forgotten: a revision that is told to its sender must be higher.
    const revision = Math.max(seal.revision, attempt.requestsAfter);
    return { ...chunk, end: { revision, requestsAfter: attempt.requestsAfter } };
  }

  async #readSnapshot(attempt: Attempt): Promise<MoveChunk> {
    const records = await attempt.snapshot.next(chunkBytesMax);
    const current = records
      .filter(({ seq }) => seq <= attempt.tailSeq)
      .map((record) => this.#withoutReplaced(record))
      .filter((record) => !this.#comesAgain(attempt, record));
    return { records: this.#copies(current) };
  }

  /**
   * A record of the snapshot without what was written again since: that is in the tail. A snapshot has all earlier values of
   * such a key, and with each move there would be more of them.
   */
  #withoutReplaced(record: LogRecord): LogRecord {
    const { store } = this.#options;
    const changes = record.changes.filter(({ key }) => store.seqOf(key) === record.seq);
    return changes.length === record.changes.length ? record : { ...record, changes };
  }

  /** Whether a record of the snapshot only names a request that a later one names, too: its key has been away meanwhile. */
  #comesAgain({ tailSeq }: Attempt, { seq, changes, requestId }: LogRecord): boolean {
    if (changes.length > 0 || requestId === undefined) return false;
    const known = this.#options.store.requestOf(requestId);
    return known !== undefined && known.seq > seq && known.seq <= tailSeq;
  }

  /** The copies to send of records that have no changes but of keys that move. */
  #copies(records: readonly LogRecord[]): LogRecord[] {
    const { store } = this.#options;
    const copies: LogRecord[] = [];
    for (const { epoch, seq, changes, requestId, move: mark } of records) {
      if (mark !== undefined && mark.kind !== "copy") continue;
      if (changes.length === 0 && requestId === undefined) continue;
      copies.push({
        epoch,
        seq,
        // For the destination it is no matter why a key was removed: the watches here were told.
        changes: changes.map(({ kind, key, value, text, expiresMs }) => ({
          kind: kind === "put" ? ("put" as const) : ("delete" as const),
          key,
          value,
          text,
          expiresMs,
          previous: 0,
        })),
        requestId,
        move: { kind: "copy", revision: mark?.revision ?? store.revisionOf(seq) },
      });
    }
    return copies;
  }

  #seal(attempt: Attempt): void {
    const { store, clock, log } = this.#options;
    if (attempt.seal !== undefined) return;
    attempt.seal = {
      // Writes are checked and proposed in one turn, so every write that found no seal is in the log.
      seq: store.last.seq,
      revision: store.changedRevision,
      lifted: Promise.withResolvers(),
      cancelTimer: clock.timer(sealMsMax, () => {
        if (this.#attempt !== attempt) return;
        log(
          `the move of keys to "${attempt.move.to}" has not gone on for ${sealMsMax} ms: writes are taken again`,
        );
        this.#giveUp();
      }),
    };
  }

  async #release(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { log } = this.#options.primary;
    while (log.isHeld) await log.untilReleased(signal);
    // Only what has asked for everything can have it: a step may come late.
    const isWhole = attempt === this.#attempt && attempt.last?.chunk.end !== undefined;
    if (attempt.seal === undefined || !isWhole) throw refused("the attempt has not come to its end");
    const { change, move } = attempt;
    try {
      // On a full disk the attempt ends, too: a compaction may make room.
      log.admit();
      // From here on the mark in the log takes the place of the seal.
      attempt.seal.cancelTimer();
      const seq = log.propose([], { move: { kind: "release", change, to: move.to } });
      await log.committed(seq, signal);
    } finally {
      await this.#end();
    }
  }

  /** As `#end`, for those who do not wait for it. */
  #giveUp(): void {
    this.#end().catch((error: unknown) =>
      this.#options.log(`a snapshot could not be closed: ${explain(error)}`),
    );
  }

  /** Forgets the attempt: writes are taken again, unless the log says that the keys were released. */
  async #end(): Promise<void> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#cancelIdle();
    attempt?.seal?.cancelTimer();
    attempt?.seal?.lifted.resolve();
    await attempt?.snapshot.close();
  }
}

/** Groups name their attempts without regard to each other. */
function nameOf({ to, attempt }: MoveOutRequest): string {
  return `${attempt} of ${to}`;
}

/**
 * What a record has of the keys that move. Undefined: nothing. One without changes answers a request whose changes have all
 * been replaced: of whatever keys.
 */
function partOf(record: LogRecord, isMoved: (key: string) => boolean): LogRecord | undefined {
  const changes = record.changes.filter(({ key }) => isMoved(key));
  if (changes.length === record.changes.length) return record;
  return changes.length === 0 ? undefined : { ...record, changes };
}
