import { type ChangeRingResponse, RingOutcome } from "../../gen/kvlab/v1/admin_pb.ts";
import { REFUSED } from "../settings/exit-codes.ts";
import { ExitError } from "../settings/run-main.ts";
import { type RequestReport, readRing, requestReport } from "./ring-report.ts";
import type { Routers } from "./routers.ts";

type Ask = Routers["ask"];

/** A change of the ring that an operator asks for. */
export interface AskedChange {
  /** For errors, e.g. `ring add zdata3`. */
  readonly what: string;
  readonly request:
    | { readonly case: "add" | "drain"; readonly value: string }
    | { readonly case: "virtualNodes"; readonly value: number };
  /** 0: no limit. */
  readonly rate: number;
  readonly dryRun: boolean;
}

/** What becomes of it, or would with a dry run. */
export interface ChangeOutcome {
  /** `done` at once, `begun`, `queued`, or `withdrawn`: a group that waited to enter no longer does. */
  readonly outcome: string;
  /** Id of the change that has begun. */
  readonly change?: number;
  /** Changes that come before it. */
  readonly ahead: number;
  readonly moves: readonly PlannedMove[];
}

export interface PlannedMove {
  readonly from: string;
  readonly to: string;
  readonly share: number;
  /** With a dry run, if they could be counted. */
  readonly keys?: number;
  readonly bytes?: number;
}

/** Errors: ExitError. */
export async function askChange(ask: Ask, asked: AskedChange): Promise<ChangeOutcome> {
  const { what, request, rate, dryRun } = asked;
  const answer = await ask({
    what,
    kind: dryRun ? "read" : "write",
    call: ({ admin }, options) =>
      admin.changeRing({ request: { change: request, rate: BigInt(rate) }, dryRun }, options),
  });
  return outcomeOf(answer);
}

const outcomes: ReadonlyMap<RingOutcome, string> = new Map([
  [RingOutcome.DONE, "done"],
  [RingOutcome.BEGUN, "begun"],
  [RingOutcome.QUEUED, "queued"],
  [RingOutcome.WITHDRAWN, "withdrawn"],
]);

function outcomeOf({ outcome, change, ahead, moves }: ChangeRingResponse): ChangeOutcome {
  return {
    outcome: outcomes.get(outcome) ?? "unknown",
    ...(change > 0n && { change: Number(change) }),
    ahead,
    moves: moves.map(({ from, to, share, keys, bytes }) => ({
      from,
      to,
      share,
      ...(keys !== undefined && { keys: Number(keys) }),
      ...(bytes !== undefined && { bytes: Number(bytes) }),
    })),
  };
}

/** What becomes of the ring when a change is aborted. */
export interface AbortOutcome {
  /** Id of the change that is aborted. */
  readonly aborted: number;
  /** Id of the change that brings back what has moved. Absent when nothing had. */
  readonly change?: number;
  /** Id of a change that waited and has begun. */
  readonly begun?: number;
  /** Changes that wait. */
  readonly queue: readonly RequestReport[];
}

/**
 * Aborts the change with this id. Undefined: the one that is under way, by its id: a second request that came late would let
 * everything go forward again. Errors: ExitError.
 */
export async function askAbort(ask: Ask, id: number | undefined): Promise<AbortOutcome> {
  const named = id ?? (await changeUnderWay(ask, "ring abort"));
  const { aborted, change, begun, queue } = await ask({
    what: `ring abort ${named}`,
    kind: "write",
    call: ({ admin }, options) => admin.abortRing({ change: BigInt(named) }, options),
  });
  return {
    aborted: Number(aborted),
    ...(change > 0n && { change: Number(change) }),
    ...(begun > 0n && { begun: Number(begun) }),
    queue: queue.map(requestReport),
  };
}

/** How an operator wants a change to go on. */
export interface AskedPace {
  /** For errors, without the change: e.g. `ring pause`. */
  readonly what: string;
  /** As in `askAbort`. */
  readonly change: number | undefined;
  readonly paused: boolean;
  /** Undefined: as before. */
  readonly rate?: number | undefined;
}

export interface PaceOutcome {
  readonly change: number;
  readonly paused: boolean;
  /** Most keys a second. Absent: no limit. */
  readonly rate?: number;
}

/** Errors: ExitError. */
export async function askPace(ask: Ask, { what, change, paused, rate }: AskedPace): Promise<PaceOutcome> {
  const id = change ?? (await changeUnderWay(ask, what));
  const request = { change: BigInt(id), paused, ...(rate !== undefined && { rate: BigInt(rate) }) };
  const answer = await ask({
    what: `${what} ${id}`,
    kind: "write",
    call: ({ admin }, options) => admin.paceRing(request, options),
  });
  return {
    change: Number(answer.change),
    paused,
    ...(answer.rate > 0n && { rate: Number(answer.rate) }),
  };
}

async function changeUnderWay(ask: Ask, what: string): Promise<number> {
  const { report } = await readRing(ask);
  if (report.change !== undefined) return report.change.id;
  throw new ExitError(REFUSED, `${what}: no ring change is under way`);
}

/** Changes that no longer wait, and those that do still. */
export interface WithdrawalOutcome {
  readonly withdrawn: readonly RequestReport[];
  readonly queue: readonly RequestReport[];
}

/**
 * Drops the change at a place of those that wait, from 1 on, or all of them. The change is named, and not its place: another
 * one may have come there meanwhile. Errors: ExitError.
 */
export async function askWithdrawal(ask: Ask, place: number | undefined): Promise<WithdrawalOutcome> {
  const what = "ring withdraw";
  const request = place === undefined ? undefined : await requestAt(ask, what, place);
  const { withdrawn, queue } = await ask({
    what,
    kind: "write",
    call: ({ admin }, options) => admin.withdrawRing(request === undefined ? {} : { request }, options),
  });
  return { withdrawn: withdrawn.map(requestReport), queue: queue.map(requestReport) };
}

async function requestAt(ask: Ask, what: string, place: number) {
  const { queue } = await ask({
    what,
    kind: "read",
    call: ({ admin }, options) => admin.getRing({}, options),
  });
  const request = queue[place - 1];
  if (request === undefined) {
    const waiting = queue.length === 1 ? "1 change waits" : `${queue.length} changes wait`;
    throw new ExitError(REFUSED, `${what}: there is no change at place ${place}: ${waiting}`);
  }
  const { change } = request;
  const last = queue.findLastIndex((other) => {
    return other.change.case === change.case && other.change.value === change.value;
  });
  // Of several of the same a router drops the last one: the changes between them would then come after this one.
  if (last >= place) {
    throw new ExitError(
      REFUSED,
      `${what}: the change at place ${place} waits again at place ${last + 1}, which has to be dropped before`,
    );
  }
  return request;
}
