import type { Clock } from "../../common/clock.ts";
import type { Access, Coordination } from "../../coordination/coordination.ts";
import { allKeysOf, countMisplaced } from "../election/misplaced-keys.ts";
import { foreignKeys } from "../election/ring-admission.ts";
import { type CasRegister, ringRegister } from "../metadata/cas-register.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { RingRequest, RingShape, RingState, Topology } from "../metadata/model.ts";
import { OperationError, refused } from "../metadata/operation-error.ts";
import type { TopologySource } from "../metadata/topology.ts";
import type { MisplacedKeys, PeerAt } from "../replication/peer.ts";
import type { MoveShare } from "../ring/changing-ring.ts";
import {
  allMoves,
  movesBetween,
  noPrimaryReason,
  placementOf,
  placeOfGroup,
  primaryOf,
} from "../ring/placement.ts";
import { requireGroup } from "../ring/require.ts";
import {
  aborted,
  type Pace,
  paced,
  requested,
  shapeAfter,
  shapeAfterQueue,
  withdrawn,
} from "../ring/ring-change.ts";
import { type RingUpdate, untilRingSeen, updateRing } from "../ring/update-ring.ts";
import type { AskReport } from "./group-report.ts";
import { type RingStatus, ringStatus } from "./ring-status.ts";

/** Longest wait until this process sees its own change of the ring. */
const seenTimeoutMs = 2000;

/** Longest wait until a primary has counted its keys. A call has 10 s by default. */
const countTimeoutMs = 8000;

export interface RingAdminOptions {
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly access: Access;
  readonly peerAt: PeerAt;
  readonly askReport: AskReport;
  readonly session: () => Coordination | undefined;
  readonly log: (message: string) => void;
}

/** A move that would take place, or begins. */
export interface PlannedMove extends MoveShare {
  /** Undefined when they were not counted. */
  readonly keys?: number | undefined;
  readonly bytes?: number | undefined;
}

/** What becomes of a request. `done`: at once. `withdrawn`: a group that waited to enter no longer does. */
export type RingOutcome = "done" | "begun" | "queued" | "withdrawn";

export interface RequestedChange {
  readonly outcome: RingOutcome;
  /** Id of the change that has begun. Undefined when none has, and with a dry run. */
  readonly change: number | undefined;
  readonly moves: readonly PlannedMove[];
  /** Changes that come before it. */
  readonly ahead: number;
}

/** A change that was paused, or goes on. */
export interface PacedChange {
  readonly id: number;
  /** Most keys a second. Undefined: no limit. */
  readonly rate: number | undefined;
}

export interface AbortedChange {
  /** Id of the change that is aborted. */
  readonly aborted: number;
  /** Id of the change that brings back what has moved. Undefined when nothing had. */
  readonly change: number | undefined;
  readonly moves: readonly MoveShare[];
  /** Id of a change that waited and has begun in the same step, since nothing had moved. */
  readonly begun: number | undefined;
  /** Changes that wait, in their order. */
  readonly queue: readonly RingRequest[];
}

/** Changes that waited. */
export interface WithdrawnChanges {
  readonly withdrawn: readonly RingRequest[];
  /** Those that wait still. */
  readonly queue: readonly RingRequest[];
}

/** What operators ask of the ring. Each change is a compare-and-set. The master carries it out. */
export class RingAdmin {
  readonly #options: RingAdminOptions;
  readonly #register: CasRegister<RingState>;

  constructor(options: RingAdminOptions) {
    this.#options = options;
    this.#register = ringRegister(options);
  }

  /** Errors: unavailable. */
  async status(signal: AbortSignal): Promise<RingStatus> {
    const topology = this.#topology();
    if (topology.ring === undefined) throw new OperationError("unavailable", "there is no ring yet");
    return await ringStatus(this.#options, topology, topology.ring.value, signal);
  }

  /** Errors: invalid, not-found, refused, unavailable, outcome-unknown. */
  async change(request: RingRequest, dryRun: boolean, signal: AbortSignal): Promise<RequestedChange> {
    const next = async (ring: RingState) => {
      this.#check(ring, request);
      const holdsKeys = ring.written || (await this.#movesKeys(ring, request, signal));
      const isNew = request.kind === "add" && placeOfGroup(ring, request.group) === "new";
      if (isNew && holdsKeys) await this.#checkEmpty(ring, request.group, signal);
      // Keys of logs that were there before the first write move as others do.
      return requested({ ...ring, written: holdsKeys }, request);
    };
    if (dryRun) return await this.#plan(next, request, signal);
    const update = await this.#update(next, signal);
    const outcome = outcomeOf(update);
    const { after } = update;
    this.#options.log(`on an operator's word: ${shown(request)} (${outcome}, ring version ${after.version})`);
    return {
      outcome,
      change: outcome === "begun" ? after.change?.id : undefined,
      moves: movesOf(update, request),
      ahead: aheadOf(update),
    };
  }

  /** `change`: its id; undefined: whichever is under way. Errors: invalid, refused, unavailable, outcome-unknown. */
  async pace(pace: Pace, change: number | undefined, signal: AbortSignal): Promise<PacedChange> {
    const { after } = await this.#update((ring) => paced(ring, pace, change), signal);
    const { id = 0, rate } = after.change ?? {};
    const limit = rate === undefined ? "" : `, at most ${rate} keys a second`;
    this.#options.log(
      `ring change ${id} is ${pace.paused ? "paused" : "under way"}${limit}, on an operator's word`,
    );
    return { id, rate };
  }

  /** `change`: as in `pace`. Errors: refused, unavailable, outcome-unknown. */
  async abort(change: number | undefined, signal: AbortSignal): Promise<AbortedChange> {
    const { before, after } = await this.#update((ring) => aborted(ring, change), signal);
    const id = before.change?.id ?? 0;
    this.#options.log(`ring change ${id} is aborted, on an operator's word`);
    // Behind it, another change may have begun in the same step.
    const isWayBack = before.change !== undefined && isSameShape(after, before.change);
    return {
      aborted: id,
      change: isWayBack ? after.change?.id : undefined,
      moves: isWayBack ? placementOf(after).moves() : [],
      begun: isWayBack ? undefined : after.change?.id,
      queue: after.queue ?? [],
    };
  }

  /** Takes a request out of those that wait, or all of them. Errors: invalid, refused, unavailable, outcome-unknown. */
  async withdraw(request: RingRequest | undefined, signal: AbortSignal): Promise<WithdrawnChanges> {
    const { before, after } = await this.#update((ring) => withdrawn(ring, request), signal);
    const { queue = [] } = after;
    const gone = (before.queue ?? []).filter((waiting) => !queue.includes(waiting));
    this.#options.log(`on an operator's word, this is not done: ${gone.map(shown).join("; ")}`);
    return { withdrawn: gone, queue };
  }

  /** Errors: not-found, refused, unavailable. */
  #check(ring: RingState, request: RingRequest): void {
    if (request.kind === "virtual-nodes") return;
    const { group } = request;
    const view = requireGroup(this.#topology(), group);
    if (request.kind === "drain" && placeOfGroup(ring, group) !== "in") return;
    if (primaryOf(view) === undefined) {
      throw new OperationError("unavailable", `no keys can move: ${noPrimaryReason(group, view)}`);
    }
  }

  /** Keys of an old log would be lost among those that move in. Errors: refused, unavailable (they could not be counted). */
  async #checkEmpty(ring: RingState, group: string, signal: AbortSignal): Promise<void> {
    const notKnown = (why: string, cause?: unknown) => {
      const message = `whether group "${group}" holds keys from before it was in this ring is not known now: ${why}`;
      return new OperationError("unavailable", message, { cause });
    };
    const topology = this.#topology();
    const options = { ...this.#options, timeoutMs: countTimeoutMs, signal };
    const count = await countMisplaced(options, topology, group, ring).catch((error: unknown) => {
      throw notKnown(explain(error), error);
    });
    if (count === undefined) throw notKnown(noPrimaryReason(group, topology.groups.get(group)));
    const keys = allKeysOf(count);
    if (keys > 0) throw refused(foreignKeys(group, keys));
  }

  /** Whether keys would have to move, as far as that can be found out: before the first write there are seldom any. */
  async #movesKeys(ring: RingState, request: RingRequest, signal: AbortSignal): Promise<boolean> {
    const next = shapeAfter(ring, request);
    const counts = await Promise.all(ring.groups.map((group) => this.#count(group, next, signal)));
    return counts.some((count) => count === undefined || count.keys > 0);
  }

  async #plan(
    next: (ring: RingState) => Promise<RingState>,
    request: RingRequest,
    signal: AbortSignal,
  ): Promise<RequestedChange> {
    const before = this.#topology().ring?.value;
    if (before === undefined) throw new OperationError("unavailable", "there is no ring yet");
    const update = { before, after: await next(before) };
    const moves = movesOf(update, request);
    const outcome = outcomeOf(update);
    const planned = outcome === "begun" ? await this.#counted(update.after, moves, signal) : moves;
    return { outcome, change: undefined, moves: planned, ahead: aheadOf(update) };
  }

  /** The moves with what the primaries of their sources count. */
  async #counted(
    { change }: RingState,
    moves: readonly MoveShare[],
    signal: AbortSignal,
  ): Promise<PlannedMove[]> {
    if (change === undefined) return [...moves];
    const sources = [...new Set(moves.map(({ from }) => from))];
    const counts = await Promise.all(sources.map((group) => this.#count(group, change, signal)));
    return moves.map((move) => {
      const groups = counts[sources.indexOf(move.from)]?.groups;
      // A primary of an earlier version does not count them by group.
      if (groups === undefined || groups.length === 0) return move;
      const { keys = 0, bytes = 0 } = groups.find(({ group }) => group === move.to) ?? {};
      return { ...move, keys, bytes };
    });
  }

  /** Undefined when the group's primary cannot count now. */
  async #count(group: string, shape: RingShape, signal: AbortSignal): Promise<MisplacedKeys | undefined> {
    const options = { ...this.#options, timeoutMs: countTimeoutMs, signal };
    return await countMisplaced(options, this.#topology(), group, shape).catch(() => undefined);
  }

  /**
   * Changes the ring, and waits until this router sees that. Not for a caller who has gone: the request may have waited in a
   * paused process for hours, and who sent it has done something else since.
   */
  async #update(
    change: (ring: RingState) => RingState | Promise<RingState>,
    signal: AbortSignal,
  ): Promise<RingUpdate> {
    const update = await updateRing(this.#register, async (ring) => {
      const next = await change(ring);
      signal.throwIfAborted();
      return next;
    });
    await untilRingSeen(this.#options, update.after.version, signal, seenTimeoutMs).catch(() => {});
    return update;
  }

  #topology(): Topology {
    const { current, unreadReason } = this.#options.topology;
    if (current === undefined) throw new OperationError("unavailable", unreadReason);
    return current;
  }
}

function isSameShape(a: RingShape, b: RingShape): boolean {
  return a.virtualNodes === b.virtualNodes && a.groups.join(" ") === b.groups.join(" ");
}

function outcomeOf({ before, after }: RingUpdate): RingOutcome {
  if (before.change === undefined) return after.change === undefined ? "done" : "begun";
  return (after.queue?.length ?? 0) > (before.queue?.length ?? 0) ? "queued" : "withdrawn";
}

function aheadOf(update: RingUpdate): number {
  return outcomeOf(update) === "queued" ? 1 + (update.before.queue?.length ?? 0) : 0;
}

/** The moves of a request that has begun or waits. */
function movesOf(update: RingUpdate, request: RingRequest): readonly MoveShare[] {
  switch (outcomeOf(update)) {
    case "begun":
      return allMoves(update.after);
    case "queued": {
      const before = shapeAfterQueue(update.before);
      return movesBetween(before, shapeAfter(before, request));
    }
    default:
      return [];
  }
}

function shown(request: RingRequest): string {
  switch (request.kind) {
    case "add":
      return `group "${request.group}" is to enter the ring`;
    case "drain":
      return `group "${request.group}" is to leave the ring`;
    case "virtual-nodes":
      return `the ring is to have ${request.virtualNodes} virtual nodes a group`;
  }
}
