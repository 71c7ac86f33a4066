import type { KeyValue, ScanRequest, ScanResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { createBackoff } from "../common/backoff.ts";
import { compareKeys } from "../common/key-order.ts";
import { Deadline, signalOf } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { type Position, type RingMoment, tokenOf, unknownRing } from "./positions.ts";
import { resumed } from "./resumed.ts";
import { ScanPart } from "./scan-part.ts";
import { ringOf, type StreamCluster, someGroups } from "./stream-cluster.ts";

/** Pauses before scans that are of an older ring begin again. Nodes learn of a new ring within milliseconds. */
const firstPauseMs = 20;
const longestPauseMs = 500;

export interface ScanSettings {
  /** Without a group. */
  readonly request: ScanRequest;
  /** How long the next keys may take. */
  readonly deadlineMs: number;
  /** Ends the scan for good. */
  readonly lifetime: Deadline;
  /** Is told of each answer's revision. */
  readonly onRevision?: (group: string, revision: bigint) => void;
}

/** Where the keys of a scan of all groups come from. */
export interface ScanSource {
  /** The keys in the order of the scan, as they come. To be called once. Errors: KvError. */
  runs(): AsyncGenerator<readonly KeyValue[], void, void>;
  /** A watch after this token gets every change since the scan. Undefined until the first keys, or the end. */
  readonly token: string | undefined;
}

/**
 * A scan of each group, merged by key. It holds one answer of each group.
 *
 * Each key is shown once, and none is left out, also when keys move between groups meanwhile: all parts are of the same
 * version of the ring. If a part is of a newer one, because its group has changed its primary, the others begin again
 * after the last key that was returned, and so do the groups that the newer ring has in addition. So they do if a part
 * breaks off whose group has left the ring.
 */
export class MergedScan implements ScanSource {
  readonly #cluster: StreamCluster;
  readonly #settings: ScanSettings;
  /** The moment of each group's snapshot, as of the first key. */
  readonly #moments = new Map<string, Position>();
  #parts: ScanPart[] = [];
  /** The ring that the parts are to be of. */
  #ring = unknownRing;
  /** The ring when the first keys of all groups had come. Undefined before. */
  #begun: RingMoment | undefined;
  /** The last key that was returned. */
  #last: string | undefined;
  #left: number;

  constructor(cluster: StreamCluster, settings: ScanSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
    const { limit } = settings.request;
    const isLimited = limit > 0n && limit <= Number.MAX_SAFE_INTEGER;
    this.#left = isLimited ? Number(limit) : Number.POSITIVE_INFINITY;
  }

  get token(): string | undefined {
    const ring = this.#begun;
    if (ring === undefined) return undefined;
    return tokenOf({ cluster: this.#cluster.view?.clusterId ?? "", ring, groups: this.#moments });
  }

  /** The snapshot, if the scan is of one group only. */
  get onlyMoment(): Position | undefined {
    const [first, second] = this.#moments.values();
    return second === undefined ? first : undefined;
  }

  async *runs(): AsyncGenerator<readonly KeyValue[], void, void> {
    await this.#open();
    const unwatch = this.#cluster.onView(({ groups }) => {
      for (const part of this.#parts) if (!groups.has(part.group)) part.leave();
    });
    this.#settings.lifetime.onEnd(unwatch);
    for (;;) {
      await this.#fill();
      this.#begun ??= this.#ring;
      const run = this.#take();
      if (run.length === 0) return;
      yield run;
      if (this.#left === 0) return;
    }
  }

  async #open(): Promise<void> {
    const { deadlineMs, lifetime } = this.#settings;
    const first = new Deadline(this.#cluster.deadlines, deadlineMs, lifetime);
    try {
      const groups = await this.#cluster.find({
        look: (view) => {
          this.#ring = ringOf(view);
          return someGroups(view);
        },
        missing: ({ empty }) => empty,
        deadline: first,
      });
      this.#parts = groups.map((group) => this.#begin(group));
    } finally {
      first.release();
    }
  }

  #begin(group: string): ScanPart {
    const inRing = new Deadline(this.#cluster.deadlines, Number.POSITIVE_INFINITY);
    return new ScanPart(group, this.#scan(group, inRing), inRing);
  }

  /** Scans the keys of one group, from where the merge is. After a break it continues after the last key that has come. */
  async *#scan(group: string, inRing: Deadline): AsyncGenerator<ScanResponse> {
    const { request, deadlineMs, lifetime, onRevision } = this.#settings;
    let after = this.#last ?? request.after;
    let left = this.#left;
    const answers = resumed(this.#cluster, {
      server: (due, redirected) =>
        inRing.race(Promise.resolve(this.#cluster.serverOf(group, due, redirected))),
      open: (data, options) =>
        data.scan(
          {
            ...request,
            group,
            ...(after !== undefined && { after }),
            limit: left === Number.POSITIVE_INFINITY ? 0n : BigInt(left),
          },
          options,
        ),
      endless: false,
      firstAnswerMs: deadlineMs,
      answerMs: deadlineMs,
      lifetime,
    });
    for await (const answer of answers) {
      const { items, revision, epoch } = answer;
      onRevision?.(group, revision);
      // A watch after the first snapshots misses nothing, even if the rest is of later ones. A group that was added after
      // the first key has none: keys that are of an older snapshot may have moved to it, and have changed there since.
      if (this.#last === undefined) this.#moments.set(group, { revision, epoch });
      after = items.at(-1)?.key ?? after;
      left -= items.length;
      yield answer;
      // After a break the call asks for the rest of the limit, and a limit of 0 would ask for all.
      if (left <= 0) return;
    }
  }

  /** Waits until every part has a next key or has ended, all of the same ring. */
  async #fill(): Promise<void> {
    await this.#fillParts();
    if (this.#isOfOneRing) return;
    const { deadlineMs, lifetime } = this.#settings;
    const { clock, deadlines } = this.#cluster;
    const due = new Deadline(deadlines, deadlineMs, lifetime);
    const backoff = createBackoff(clock, firstPauseMs, longestPauseMs);
    try {
      while (!this.#isOfOneRing) {
        await backoff.wait(signalOf(due));
        if (due.ended !== undefined) throw this.#notOfOneRing(due.ended);
        await this.#beginAgain(due);
        await this.#fillParts();
      }
    } finally {
      due.release();
    }
  }

  async #fillParts(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.fill()));
  }

  get #isOfOneRing(): boolean {
    return this.#parts.every((part) => isOfRing(part, this.#ring.version));
  }

  /** Begins again those parts that are not of the newest ring, and begins those of groups that are new in it. */
  async #beginAgain(due: Deadline): Promise<void> {
    let newest = this.#ring.version;
    for (const { ringVersion } of this.#parts) if (ringVersion > newest) newest = ringVersion;
    const view = await this.#cluster.find({
      look: (known) => (known.ringVersion >= newest ? known : undefined),
      missing: ({ ringVersion }) =>
        `version ${newest} of the ring is not known here yet, only ${ringVersion}`,
      deadline: due,
    });
    this.#ring = ringOf(view);
    const kept = new Map<string, ScanPart>();
    for (const part of this.#parts) {
      if (view.groups.has(part.group) && isOfRing(part, view.ringVersion)) kept.set(part.group, part);
      else await part.close();
      if (this.#last === undefined && !view.groups.has(part.group)) this.#moments.delete(part.group);
    }
    this.#parts = [...view.groups.keys()].map((group) => kept.get(group) ?? this.#begin(group));
  }

  #notOfOneRing(reason: KvError): KvError {
    if (reason.code !== "deadline") return reason;
    const late = this.#parts.find((part) => !isOfRing(part, this.#ring.version));
    const message = `group "${late?.group}" answers by version ${late?.ringVersion} of the ring, which has version ${this.#ring.version} now`;
    return new KvError("unavailable", message, { cause: reason });
  }

  /** Takes the next keys, as many as can be had without another answer. */
  #take(): readonly KeyValue[] {
    const sign = this.#settings.request.reverse ? -1 : 1;
    const run: KeyValue[] = [];
    const open = this.#parts.filter(({ next }) => next !== undefined);
    for (let isDry = false; !isDry && this.#left > 0 && open.length > 0; this.#left--) {
      const first = firstOf(open, sign);
      run.push(first);
      this.#last = first.key;
      for (const part of open) {
        // A key that is in two groups was moved between them.
        if (part.next?.key !== first.key) continue;
        part.advance();
        isDry ||= part.next === undefined;
      }
    }
    return run;
  }
}

/** The first key of all parts, each of which has one; of equal keys the newer one. */
function firstOf(parts: readonly ScanPart[], sign: number): KeyValue {
  let first: KeyValue | undefined;
  for (const { next } of parts) {
    if (next === undefined) continue;
    const order = first === undefined ? -1 : sign * compareKeys(next.key, first.key);
    if (first === undefined || order < 0 || (order === 0 && next.revision > first.revision)) first = next;
  }
  if (first === undefined) throw new KvError("internal", "a scan has come to the end of every group at once");
  return first;
}

/** Servers of earlier versions do not say of which ring their keys are. */
function isOfRing({ ringVersion, hasLeft }: ScanPart, expected: bigint): boolean {
  return !hasLeft && (ringVersion === 0n || ringVersion === expected);
}
