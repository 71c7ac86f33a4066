import { type Clock, withTimeout } from "../../common/clock.ts";
import { CoordinationError } from "../../coordination/coordination.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { RingState, Topology, Versioned } from "../metadata/model.ts";
import { OperationError } from "../metadata/operation-error.ts";
import type { TopologySource } from "../metadata/topology.ts";

/** Longest wait until this process sees a ring that it has made, or that another process has seen. */
const seenTimeoutMs = 5000;

/** Others change the ring once per move. So a change that loses so often meets something else. */
const attemptsMax = 5;

/** A change of the ring that has been made. */
export interface RingUpdate {
  readonly before: RingState;
  readonly after: RingState;
}

/**
 * Changes the ring by compare-and-set. `change` gets the ring as it is now, once more whenever another change came first. If
 * it returns the same ring, nothing is changed. Errors: those of `change`; unavailable; outcome-unknown.
 */
export async function updateRing(
  register: CasRegister<RingState>,
  change: (ring: RingState) => RingState | Promise<RingState>,
): Promise<RingUpdate> {
  for (let attempt = 1; ; attempt++) {
    const found = await readRing(register);
    const after = await change(found.value);
    if (after === found.value) return { before: after, after };
    try {
      await register.compareAndSet(after, found.version);
      return { before: found.value, after };
    } catch (error) {
      if (!CoordinationError.is(error, "BAD_VERSION")) {
        const message = "the connection to ZooKeeper broke: the ring may or may not have been changed";
        throw new OperationError("outcome-unknown", message, { cause: error });
      }
      if (attempt >= attemptsMax) {
        throw new OperationError("unavailable", "others change the ring all the time: try again", {
          cause: error,
        });
      }
    }
  }
}

/** Resolves when this process sees this version of the ring, or a later one. Errors: unavailable (not in time). */
export async function untilRingSeen(
  { topology, clock }: { readonly topology: TopologySource; readonly clock: Clock },
  version: number,
  signal: AbortSignal,
  timeoutMs = seenTimeoutMs,
): Promise<void> {
  const isSeen = ({ ring }: Topology) => ring !== undefined && ring.value.version >= version;
  try {
    await withTimeout(clock, timeoutMs, signal, (given) => topology.waitUntil(isSeen, given));
  } catch (error) {
    throw new OperationError("unavailable", `version ${version} of the ring has not been seen here yet`, {
      cause: error,
    });
  }
}

/** The ring as of this call or later. Errors: unavailable. */
export async function readRing(register: CasRegister<RingState>): Promise<Versioned<RingState>> {
  const found = await register.read().catch((error) => {
    throw new OperationError("unavailable", "ZooKeeper cannot be asked now", { cause: error });
  });
  if (found === undefined) throw new OperationError("unavailable", "there is no ring yet");
  return found;
}
