import type { Clock } from "../../common/clock.ts";
import { isSameMember, type Member, type NodeView } from "../metadata/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { type InSyncSet, memberKey } from "./in-sync-set.ts";
import type { Moment } from "./lease.ts";
import type { ProgressState } from "./progress.ts";
import type { Replicator } from "./replicator.ts";
import type { ReplicationSettings } from "./settings.ts";

export interface StandbysOptions {
  /** Number of the primary itself. */
  readonly self: number;
  readonly store: ReplicaLog;
  readonly inSync: InSyncSet;
  readonly clock: Clock;
  readonly settings: ReplicationSettings;
  /** Begins to feed a node. */
  readonly replicate: (node: NodeView) => Replicator;
  /** What a standby must have on disk to join the in-sync set. */
  readonly joinSeq: () => number;
  readonly log: (message: string) => void;
}

/** How far a standby has come. */
export interface StandbyProgress {
  readonly number: number;
  readonly ackedSeq: number;
  readonly inSync: boolean;
  /** Whether its disk had no room for what it was sent last. */
  readonly diskFull: boolean;
  /** What its primary does for it: see `ProgressState`. */
  readonly state: ProgressState["kind"];
  /** How much of a snapshot has arrived, in percent; undefined unless one is sent. */
  readonly snapshotPercent: number | undefined;
}

/**
 * The standbys of a primary: one replicator for each of the other nodes that are registered, in its present life. Keeps
 * the in-sync set true to what they do: who has everything joins it, who is silent, gone or full is dropped.
 */
export class Standbys {
  readonly #options: StandbysOptions;
  readonly #byMember = new Map<string, Replicator>();
  /** The silence of a member that has not been heard of yet counts from here. */
  #sinceMs = 0;

  constructor(options: StandbysOptions) {
    this.#options = options;
  }

  /** A member has everything up to here on disk, as it has acknowledged. */
  ackedSeq(member: Member): number {
    return this.#of(member)?.progress.ackedSeq ?? 0;
  }

  /** Of each member that could be promoted: when the last message was sent that it has answered. */
  lastAnswered(): (Moment | undefined)[] {
    return this.#options.inSync.required.map((member) => this.#of(member)?.progress.ackedSent);
  }

  get progress(): StandbyProgress[] {
    return [...this.#byMember.values()].map(({ member, progress }) => ({
      number: member.number,
      ackedSeq: progress.ackedSeq,
      inSync: this.#options.inSync.has(member),
      diskFull: progress.isFull,
      state: progress.state.kind,
      snapshotPercent: percentOf(progress.state),
    }));
  }

  /** Takes in which nodes are registered now. */
  update(nodes: readonly NodeView[]): void {
    const others = nodes.filter(({ number }) => number !== this.#options.self);
    const live = new Map(others.map((node) => [memberKey(node), node]));
    for (const [key, replicator] of this.#byMember) {
      if (live.has(key)) continue;
      replicator.stop();
      this.#byMember.delete(key);
    }
    for (const [key, node] of live) {
      if (!this.#byMember.has(key)) this.#byMember.set(key, this.#options.replicate(node));
    }
  }

  /** There is something to send: new records, or a heartbeat that somebody waits for. */
  wake(): void {
    for (const replicator of this.#byMember.values()) replicator.wake();
  }

  /** A standby has answered. */
  answered({ member, progress }: Replicator): void {
    const { inSync, joinSeq } = this.#options;
    if (progress.isFull) this.#drop(member, "has no room on its disk");
    else if (inSync.has(member)) inSync.keep(member);
    else if (progress.ackedSeq >= joinSeq()) inSync.join(member);
  }

  /** Silence counts from now on. */
  listen(): void {
    this.#sinceMs = this.#options.clock.monotonicMs();
  }

  /** Drops the primary before, which was replaced because it is gone or silent, unless it is back as a standby. */
  dropFormer(former: number | undefined): void {
    const { inSync } = this.#options;
    const member = inSync.required.find(({ number }) => number === former);
    if (member !== undefined && this.#of(member)?.progress.ackedSent === undefined) inSync.leave(member);
  }

  /** Drops members that have been silent, or have written nothing, for too long. */
  dropSilent(): void {
    const { inSync, clock, settings, store } = this.#options;
    const { standbyTimeoutMs } = settings;
    const limitMs = clock.monotonicMs() - standbyTimeoutMs;
    const isOver = (sinceMs = 0) => Math.max(sinceMs, this.#sinceMs) < limitMs;
    for (const member of inSync.required) {
      const progress = this.#of(member)?.progress;
      if (progress === undefined && isOver()) {
        this.#drop(member, "has left (it is not registered)");
      } else if (isOver(progress?.ackedSent?.monotonicMs)) {
        this.#drop(member, `has not answered for ${standbyTimeoutMs} ms`);
      } else if ((progress?.ackedSeq ?? 0) < store.written.seq && isOver(progress?.progressMs)) {
        this.#drop(member, `has put nothing on its disk for ${standbyTimeoutMs} ms`);
      }
    }
  }

  /** Of these in-sync members the one that has most of the log, of those that answer and whose disk has room. */
  heirOf(members: readonly Member[]): Member | undefined {
    const { clock, settings } = this.#options;
    const sinceMs = clock.monotonicMs() - settings.standbyTimeoutMs;
    const known = members.flatMap((member) => this.#of(member) ?? []);
    const able = known.filter(
      ({ progress: { ackedSent, isFull } }) => !isFull && (ackedSent?.monotonicMs ?? 0) >= sinceMs,
    );
    return able.sort((a, b) => b.progress.ackedSeq - a.progress.ackedSeq)[0]?.member;
  }

  #of(member: Member): Replicator | undefined {
    return this.#byMember.get(memberKey(member));
  }

  #drop(member: Member, reason: string): void {
    const { inSync, log } = this.#options;
    const isRequired = inSync.required.some((other) => isSameMember(other, member));
    if (!isRequired || !inSync.leave(member)) return;
    log(`node ${member.number} ${reason}: going on without it`);
  }
}

function percentOf(state: ProgressState): number | undefined {
  if (state.kind !== "snapshot") return undefined;
  return state.endSeq === 0 ? 100 : Math.floor((100 * state.sentSeq) / state.endSeq);
}
