import type { RingChange, RingRequest, RingShape, RingState } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import { isSameMove, type Move } from "./changing-ring.ts";
import { placementOf } from "./placement.ts";

/** Most requests that wait behind a change. */
export const queuedRequestsMax = 16;

/**
 * The legal changes of `/ring`, as functions of its state. A change begins, moves end one after another, and with the last
 * one the next ring becomes the present one. While one change is under way, further requests wait.
 */

/** The ring with a request begun, or waiting behind the change under way. Errors: refused. */
export function requested(ring: RingState, request: RingRequest, rate?: number): RingState {
  if (ring.change === undefined) return begun(ring, shapeAfter(ring, request), rate);
  const queue = [...(ring.queue ?? []), request];
  if (queue.length > queuedRequestsMax) {
    throw new OperationError("refused", `${queuedRequestsMax} ring changes wait already; no more can wait`);
  }
  // Refused now if it could not begin later.
  queue.reduce<RingShape>(shapeAfter, ring.change);
  return { ...ring, version: ring.version + 1, queue };
}

/** The ring after a move has ended. */
export function moved(ring: RingState, move: Move): RingState {
  const { change } = ring;
  const isUnderWay = placementOf(ring)
    .moves()
    .some((other) => isSameMove(other, move));
  if (change === undefined || !isUnderWay) {
    throw new OperationError("refused", `no keys are to move from "${move.from}" to "${move.to}"`);
  }
  return ended({ ...ring, version: ring.version + 1, change: { ...change, done: [...change.done, move] } });
}

/** The ring while what has moved goes back. Errors: refused. */
export function aborted(ring: RingState): RingState {
  const { change } = ring;
  if (change === undefined) throw new OperationError("refused", "no ring change is under way");
  const { virtualNodes, groups } = ring;
  const version = ring.version + 1;
  // What has not moved counts as moved back already.
  const done = placementOf(ring)
    .moves()
    .map(({ from, to }) => ({ from: to, to: from }));
  const back: RingChange = { ...change, id: version, virtualNodes, groups, done, paused: false };
  return ended(
    withOutside({ ...ring, version, virtualNodes: change.virtualNodes, groups: change.groups, change: back }),
  );
}

/** The ring with its change paused or resumed. Errors: refused. `rate`: see `RingChange`. */
export function paced(ring: RingState, { paused, rate }: Pick<RingChange, "paused" | "rate">): RingState {
  const { change } = ring;
  if (change === undefined) throw new OperationError("refused", "no ring change is under way");
  const { rate: _, ...rest } = change;
  return {
    ...ring,
    version: ring.version + 1,
    change: { ...rest, paused, ...(rate !== undefined && { rate }) },
  };
}

/** The ring that a request makes of another one. Errors: refused. */
export function shapeAfter({ virtualNodes, groups }: RingShape, request: RingRequest): RingShape {
  switch (request.kind) {
    case "add":
      if (groups.includes(request.group)) {
        throw new OperationError("refused", `group "${request.group}" is in the ring`);
      }
      return { virtualNodes, groups: [...groups, request.group] };
    case "drain": {
      const left = groups.filter((name) => name !== request.group);
      if (left.length === groups.length) {
        throw new OperationError("refused", `group "${request.group}" is not in the ring`);
      }
      if (left.length === 0) {
        throw new OperationError("refused", `group "${request.group}" is the only one in the ring`);
      }
      return { virtualNodes, groups: left };
    }
    case "virtual-nodes":
      if (request.virtualNodes === virtualNodes) {
        throw new OperationError("refused", `the ring has ${virtualNodes} virtual nodes`);
      }
      return { virtualNodes: request.virtualNodes, groups };
  }
}

function begun(ring: RingState, next: RingShape, rate: number | undefined): RingState {
  const version = ring.version + 1;
  const change: RingChange = {
    id: version,
    virtualNodes: next.virtualNodes,
    groups: next.groups,
    done: [],
    paused: false,
    ...(rate !== undefined && { rate }),
  };
  const started = withOutside({ ...ring, version, change });
  // Before the first write there is nothing to move.
  return ring.written ? ended(started) : finished(started, change);
}

/** The ring with its change at an end if no moves are left, and the next request begun. */
function ended(ring: RingState): RingState {
  const { change } = ring;
  return change === undefined || placementOf(ring).moves().length > 0 ? ring : finished(ring, change);
}

function finished(ring: RingState, { virtualNodes, groups }: RingShape): RingState {
  const { change: _, queue: [request, ...queue] = [], ...rest } = ring;
  const state: RingState = { ...rest, virtualNodes, groups, ...(queue.length > 0 && { queue }) };
  if (request === undefined) return state;
  try {
    return begun(state, shapeAfter(state, request), undefined);
  } catch (error) {
    // An abort has made it pointless.
    if (error instanceof OperationError) return finished({ ...state, queue }, state);
    throw error;
  }
}

/** Groups that a change takes out of the ring stay outside until somebody asks for them. */
function withOutside(ring: RingState): RingState {
  const next = ring.change?.groups ?? ring.groups;
  const outside = [...new Set([...(ring.outside ?? []), ...ring.groups])].filter(
    (name) => !next.includes(name),
  );
  const { outside: _, ...rest } = ring;
  return { ...rest, ...(outside.length > 0 && { outside }) };
}
