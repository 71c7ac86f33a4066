import { formatRingState } from "../metadata/codec.ts";
import type { RemovedGroup, RingChange, RingRequest, RingShape, RingState } from "../metadata/model.ts";
import { OperationError, refused } from "../metadata/operation-error.ts";
import { groupNameAllowed, isGroupName } from "../metadata/paths.ts";
import type { Move } from "./changing-ring.ts";
import { virtualNodesMax } from "./hash-ring.ts";
import { movesBetween, placementOf } from "./placement.ts";

/** Most requests that wait behind a change. */
export const queuedRequestsMax = 16;

/** Most removed groups that are remembered. A name of 128 bytes takes 200. */
export const removedGroupsMax = 100;

/** ZooKeeper takes 1 MiB; the rest is for the requests that wait, and for what surrounds the data. */
const ringBytesMax = 900_000;

/**
 * The legal changes of `/ring`, as functions of its state. A change begins, moves end one after another, and with the last
 * one the next ring becomes the present one. While one change is under way, further requests wait. Each function raises
 * the version by one.
 */

/**
 * The ring with a request begun, or waiting behind the change under way. In a ring that is not written to it is carried
 * out at once. Errors: invalid, refused.
 */
export function requested(ring: RingState, request: RingRequest): RingState {
  checkRequest(request);
  const next = raised(ring);
  if (next.change === undefined) {
    const shape = shapeAfter(next, request);
    checkFits(next, next, shape);
    return begun(next, shape, request.rate);
  }
  const queue = next.queue ?? [];
  if (request.kind === "drain") {
    const left = queue.filter((waiting) => waiting.kind !== "add" || waiting.group !== request.group);
    if (left.length < queue.length) return withOutside(withQueue(next, left), [request.group]);
  }
  if (queue.length >= queuedRequestsMax) {
    throw refused(`${queuedRequestsMax} ring changes wait already; no more can wait`);
  }
  // Refused now if it could not begin later.
  const before = shapeAfterQueue(next);
  checkFits(next, before, shapeAfter(before, request));
  return { ...next, queue: [...queue, request] };
}

/** Whether a move of the change with this id has not ended. */
export function isUnderWay(ring: RingState, move: Move, id: number): boolean {
  // Another change may have a move of the same groups, but not of the same keys.
  return ring.change?.id === id && placementOf(ring).has(move);
}

/** The ring after a move of the change with this id has ended. Errors: refused. */
export function moved(ring: RingState, move: Move, id: number): RingState {
  const { change } = ring;
  if (change === undefined || !isUnderWay(ring, move, id)) {
    throw refused(`no keys are to move from "${move.from}" to "${move.to}" in ring change ${id}`);
  }
  const { from, to } = move;
  return ended({ ...raised(ring), change: { ...change, done: [...change.done, { from, to }] } });
}

/**
 * The ring while what has moved goes back. Aborted once more, it goes forward again. `id`: see `changeOf`. Errors: refused.
 */
export function aborted(ring: RingState, id?: number): RingState {
  const change = changeOf(ring, id);
  const next = raised(ring);
  const { virtualNodes, groups } = ring;
  // What has not moved counts as moved back already.
  const done = placementOf(ring)
    .moves()
    .map(({ from, to }) => ({ from: to, to: from }));
  const back: RingChange = { ...change, id: next.version, virtualNodes, groups, done, paused: false };
  const started = { ...next, virtualNodes: change.virtualNodes, groups: change.groups, change: back };
  return ended(withOutside(started, change.groups));
}

/**
 * The ring without a request that waits, of several of the same without the last one; or without all of them. Errors: invalid,
 * refused.
 */
export function withdrawn(ring: RingState, request?: RingRequest): RingState {
  if (request !== undefined) checkRequest(request);
  const queue = ring.queue ?? [];
  const index = queue.findLastIndex((waiting) => request !== undefined && isSameRequest(waiting, request));
  const left = request === undefined ? [] : queue.filter((_, each) => each !== index);
  if (left.length === queue.length) {
    throw refused(queue.length === 0 ? "no ring change waits" : "no such ring change waits");
  }
  const gone = queue.filter((waiting) => !left.includes(waiting));
  // Otherwise the master would let them in by itself.
  const groups = gone.flatMap((waiting) => (waiting.kind === "add" ? [waiting.group] : []));
  return withOutside(withQueue(raised(ring), left), groups);
}

function isSameRequest(a: RingRequest, b: RingRequest): boolean {
  if (a.kind === "virtual-nodes") return b.kind === a.kind && a.virtualNodes === b.virtualNodes;
  return a.kind === b.kind && a.group === b.group;
}

/** How an operator wants a change to go on. */
export interface Pace {
  readonly paused: boolean;
  /** Keys a second. 0: no limit. Undefined: as before. */
  readonly rate?: number | undefined;
}

/** The ring with its change paused or resumed. `id`: see `changeOf`. Errors: refused. */
export function paced(ring: RingState, { paused, rate }: Pace, id?: number): RingState {
  const { rate: before, ...change } = changeOf(ring, id);
  const next = rate ?? before ?? 0;
  checkRate(next === 0 ? undefined : next);
  return { ...raised(ring), change: { ...change, paused, ...(next > 0 && { rate: next }) } };
}

/**
 * The ring after a group outside of it has been removed: should one of this name come again, it is a new one. `epochs`: of
 * its state, and of its logs if it was recovered.
 */
export function removed(
  ring: RingState,
  group: string,
  epochs: Pick<RemovedGroup, "firstEpoch" | "lastEpoch">,
): RingState {
  const outside = (ring.outside ?? []).filter((name) => name !== group);
  const { outside: _, ...rest } = raised(ring);
  const before = lastEpochOf(ring, group);
  const firstEpoch = Math.max(epochs.firstEpoch, before === 0 ? 0 : before + 1);
  const latest = { ...epochs, group, ringVersion: rest.version, firstEpoch };
  const others = (ring.removed ?? []).filter((other) => other.group !== group);
  return {
    ...rest,
    ...(outside.length > 0 && { outside }),
    removed: [...others, latest].slice(-removedGroupsMax),
  };
}

/** The last epoch of a removed group of this name; 0: there was none, or it is not remembered any more. */
export function lastEpochOf(ring: RingState | undefined, group: string): number {
  return ring?.removed?.find((other) => other.group === group)?.lastEpoch ?? 0;
}

/** The ring that a request makes of another one. Errors: refused. */
export function shapeAfter({ virtualNodes, groups }: RingShape, request: RingRequest): RingShape {
  switch (request.kind) {
    case "add":
      if (groups.includes(request.group)) {
        throw refused(`group "${request.group}" is in the ring, or enters it already`);
      }
      return { virtualNodes, groups: [...groups, request.group] };
    case "drain": {
      const left = groups.filter((name) => name !== request.group);
      if (left.length === groups.length) {
        throw refused(`group "${request.group}" is not in the ring, or leaves it already`);
      }
      if (left.length === 0) {
        throw refused(`group "${request.group}" is the only one in the ring`);
      }
      return { virtualNodes, groups: left };
    }
    case "virtual-nodes":
      if (request.virtualNodes === virtualNodes) {
        throw refused(`the ring has ${virtualNodes} virtual nodes, or will have them`);
      }
      return { virtualNodes: request.virtualNodes, groups };
  }
}

/** The ring when the change under way and all that wait have ended. */
export function shapeAfterQueue({ virtualNodes, groups, change, queue = [] }: RingState): RingShape {
  let shape: RingShape = change ?? { virtualNodes, groups };
  for (const request of queue) shape = tried(shape, request) ?? shape;
  return shape;
}

/** Undefined when an abort has made the request pointless. */
function tried(shape: RingShape, request: RingRequest): RingShape | undefined {
  try {
    return shapeAfter(shape, request);
  } catch (error) {
    if (error instanceof OperationError) return undefined;
    throw error;
  }
}

/** The change under way. `id`: of the one that is meant; undefined: whichever. Errors: refused. */
function changeOf({ change }: RingState, id: number | undefined): RingChange {
  if (change === undefined) throw refused("no ring change is under way");
  if (id !== undefined && id !== change.id) {
    throw refused(`ring change ${id} is not under way any more, or was not yet: ring change ${change.id} is`);
  }
  return change;
}

function raised(ring: RingState): RingState {
  return { ...ring, version: ring.version + 1 };
}

/** Begins a change. The version is raised already. */
function begun(ring: RingState, next: RingShape, rate: number | undefined): RingState {
  const { virtualNodes, groups } = next;
  const change: RingChange = {
    id: ring.version,
    virtualNodes,
    groups,
    done: [],
    paused: false,
    ...(rate !== undefined && { rate }),
  };
  const started = withOutside({ ...ring, change }, ring.groups);
  // Before the first write there is nothing to move.
  return ring.written ? ended(started) : finished(started, change);
}

/** The ring with its change at an end if no moves are left, and the next request begun. */
function ended(ring: RingState): RingState {
  const { change } = ring;
  return change === undefined || placementOf(ring).moves().length > 0 ? ring : finished(ring, change);
}

function finished(ring: RingState, { virtualNodes, groups }: RingShape): RingState {
  const { change: _, ...rest } = ring;
  const [request, ...queue] = ring.queue ?? [];
  const state = withQueue({ ...rest, virtualNodes, groups }, queue);
  if (request === undefined) return state;
  const next = tried(state, request);
  return next === undefined ? finished(state, state) : begun(state, next, request.rate);
}

function withQueue(ring: RingState, queue: readonly RingRequest[]): RingState {
  const { queue: _, ...rest } = ring;
  return { ...rest, ...(queue.length > 0 && { queue }) };
}

/** Of `groups`, those that the ring loses stay outside until somebody asks for them; those that it gains do not. */
function withOutside(ring: RingState, groups: readonly string[]): RingState {
  const next = (ring.change ?? ring).groups;
  const outside = [...new Set([...(ring.outside ?? []), ...groups])].filter((name) => !next.includes(name));
  const { outside: _, ...rest } = ring;
  return { ...rest, ...(outside.length > 0 && { outside }) };
}

/** Errors: invalid. What the ring's znode cannot hold must not be written to it. */
function checkRequest(request: RingRequest): void {
  checkRate(request.rate);
  if (request.kind === "virtual-nodes") {
    const { virtualNodes } = request;
    if (Number.isInteger(virtualNodes) && virtualNodes >= 0 && virtualNodes <= virtualNodesMax) return;
    throw new OperationError(
      "invalid",
      `virtual nodes ${virtualNodes}; allowed: a whole number from 0 to ${virtualNodesMax}`,
    );
  }
  if (isGroupName(request.group)) return;
  throw new OperationError("invalid", `group ${JSON.stringify(request.group)}; allowed: ${groupNameAllowed}`);
}

/**
 * The list of the moves that have ended grows until the change ends, and with virtual nodes each group may give keys to each
 * other one. Errors: refused.
 */
function checkFits(ring: RingState, present: RingShape, next: RingShape): void {
  if (!ring.written) return;
  const done = movesBetween(present, next);
  const { virtualNodes, groups } = next;
  const change: RingChange = { id: ring.version, virtualNodes, groups, done, paused: false };
  const { length } = formatRingState({ ...ring, groups: present.groups, change });
  if (length <= ringBytesMax) return;
  throw refused(
    `${done.length} moves between ${new Set([...present.groups, ...groups]).size} groups take ${length} bytes in /ring; ` +
      `at most ${ringBytesMax} are allowed`,
  );
}

function checkRate(rate: number | undefined): void {
  if (rate === undefined || (Number.isSafeInteger(rate) && rate > 0)) return;
  throw new OperationError("invalid", `rate ${rate}; allowed: a whole number of keys a second, at least 1`);
}
