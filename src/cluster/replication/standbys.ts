import type { Clock } from "../../common/clock.ts";
import { hasMember, type Member, type NodeView } from "../metadata/model.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import { type InSyncSet, memberKey } from "./in-sync-set.ts";
import type { Moment } from "./lease.ts";
import type { ProgressState } from "./progress.ts";
import type { Replicator } from "./replicator.ts";
import { heartbeatMs, type ReplicationSettings } from "./settings.ts";

export interface StandbysOptions {
  /** Number of the primary itself. */
  readonly self: number;
  readonly store: ReplicaLog;
  readonly inSync: InSyncSet;
  readonly clock: Clock;
  readonly settings: ReplicationSettings;
  /** Starts to replicate to a node. */
  readonly replicate: (node: NodeView) => Replicator;
  /** The seq up to which a standby must have all records on disk to join the in-sync set. */
  readonly joinSeq: () => number;
  readonly log: (message: string) => void;
}

/** The progress of a standby. */
export interface StandbyProgress {
  readonly number: number;
  readonly ackedSeq: number;
  readonly inSync: boolean;
  /** Whether its disk was full when it last received records. */
  readonly diskFull: boolean;
  /** How the primary sends to it: see `ProgressState`. */
  readonly state: ProgressState["kind"];
  /** Percentage of a snapshot that has arrived. Undefined unless one is being sent. */
  readonly snapshotPercent: number | undefined;
}

/**
 * The standbys of a primary: one replicator for each other registered node, in its present incarnation. It also maintains
 * the in-sync set: a standby that has everything joins it, and one that is silent, gone or full is removed.
 */
export class Standbys {
  readonly #options: StandbysOptions;
  readonly #byMember = new Map<string, Replicator>();
  /** Silence counts from here at the earliest. */
  #sinceMs = 0;
  /** When silence was last looked for. */
  #lookedMs = 0;

  constructor(options: StandbysOptions) {
    this.#options = options;
  }

  /** The last record that a member has acknowledged: it has everything up to there on disk. */
  ackedSeq(member: Member): number {
    return this.#of(member)?.progress.ackedSeq ?? 0;
  }

  /** For each member that could be promoted: when the last message that it has answered was sent. */
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

  /** Updates which nodes are registered. */
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

  /** Call it when there is something to send: new records, or a heartbeat that a read waits for. */
  wake(): void {
    for (const replicator of this.#byMember.values()) replicator.wake();
  }

  /** Call it every `heartbeatMs`. */
  beat(): void {
    for (const replicator of this.#byMember.values()) replicator.beat();
  }

  /** Handles the answer of a standby. */
  answered({ member, progress }: Replicator): void {
    const { inSync, joinSeq } = this.#options;
    if (progress.isFull) this.#drop(member, "has no room on its disk");
    else if (inSync.has(member)) inSync.keep(member);
    else if (progress.ackedSeq >= joinSeq()) inSync.join(member);
  }

  /** Starts to count the silence of members. */
  listen(): void {
    this.#sinceMs = this.#options.clock.monotonicMs();
    this.#lookedMs = this.#sinceMs;
  }

  /** Removes the former primary, which was replaced because it was gone or silent, unless it is back as a standby. */
  dropFormer(former: number | undefined): void {
    const { inSync } = this.#options;
    const member = inSync.required.find(({ number }) => number === former);
    if (member !== undefined && this.#of(member)?.progress.ackedSent === undefined) inSync.leave(member);
  }

  /** Removes members that have been silent, or have written nothing, for too long. */
  dropSilent(): void {
    const { inSync, clock, settings, store } = this.#options;
    const { standbyTimeoutMs } = settings;
    const nowMs = clock.monotonicMs();
    // After a pause of this process the standbys are not to blame: it has asked nothing meanwhile.
    const pauseMs = Math.max(standbyTimeoutMs / 2, 2 * heartbeatMs(settings));
    if (nowMs - this.#lookedMs > pauseMs) this.#sinceMs = nowMs;
    this.#lookedMs = nowMs;
    const limitMs = nowMs - standbyTimeoutMs;
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

  /** The one of these in-sync members that has most of the log, among those that answer and whose disk is not full. */
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
    if (!hasMember(inSync.required, member) || !inSync.leave(member)) return;
    log(`node ${member.number} ${reason}: going on without it`);
  }
}

function percentOf(state: ProgressState): number | undefined {
  if (state.kind !== "snapshot") return undefined;
  return state.endSeq === 0 ? 100 : Math.floor((100 * state.sentSeq) / state.endSeq);
}
