import { type Clock, withTimeout } from "../../common/clock.ts";
import { type Access, CoordinationError } from "../../coordination/coordination.ts";
import { znodeRegister } from "../metadata/cas-register.ts";
import { formatRingState, parseRingState } from "../metadata/codec.ts";
import type { RingState, Versioned } from "../metadata/model.ts";
import { ringPath } from "../metadata/paths.ts";
import type { SessionKeeper } from "../metadata/session-keeper.ts";
import type { TopologySource } from "../metadata/topology.ts";

/** Longest wait until this process sees a ring that it has changed itself. */
const seenTimeoutMs = 5000;

/**
 * Closes the ring to new groups, which would take over keys: before the first write of all is accepted, the ring is
 * marked as written to. The function returned resolves once this process sees a ring so marked.
 */
export function freezeRing(options: {
  sessions: SessionKeeper;
  topology: TopologySource;
  clock: Clock;
  access: Access;
  signal: AbortSignal;
}): () => Promise<void> {
  const { sessions, topology, clock, access, signal } = options;
  const register = znodeRegister({
    session: () => sessions.current,
    access,
    path: ringPath,
    parse: parseRingState,
    format: formatRingState,
  });
  /** The first writes wait for one change together. */
  let closing: Promise<void> | undefined;

  /** False when the ring has changed in between. */
  const mark = async ({ value, version }: Versioned<RingState>): Promise<boolean> => {
    try {
      await register.compareAndSet({ ...value, version: value.version + 1, written: true }, version);
      return true;
    } catch (error) {
      if (CoordinationError.is(error, "BAD_VERSION")) return false;
      throw error;
    }
  };
  const close = async () => {
    for (let closed = false; !closed; ) {
      const found = await register.read();
      if (found === undefined) throw new Error("there is no ring");
      closed = found.value.written || (await mark(found));
    }
    await withTimeout(clock, seenTimeoutMs, signal, (given) =>
      topology.waitUntil(({ ring }) => ring?.value.written === true, given),
    );
  };
  return async () => {
    closing ??= close().finally(() => {
      closing = undefined;
    });
    await closing;
  };
}
