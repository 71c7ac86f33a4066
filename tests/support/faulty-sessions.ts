import type { Coordination, OpenSession } from "../../src/coordination/coordination.ts";
import type { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";

/** What goes wrong at an operation: a lost connection, which comes back soon, or the end of the session. */
export const faults = ["request lost", "answer lost", "expired before", "expired after"] as const;
export type Fault = (typeof faults)[number];

export interface FaultySessions {
  readonly open: OpenSession;
  /** How many operations there have been in all sessions. */
  readonly operations: number;
}

/** Opens sessions of an embedded service; the operation with number `at`, counted from 1 over all, meets the fault. */
export function faultySessions(service: EmbeddedCoordination, at: number, fault: Fault): FaultySessions {
  let operations = 0;
  const open = service.opener();

  const perform = <T>(session: Coordination, operation: () => Promise<T>): Promise<T> => {
    if (++operations !== at) return operation();
    if (fault === "request lost") service.loseNext(session, "request");
    else if (fault === "answer lost") service.loseNext(session, "answer");
    else if (fault === "expired before") service.expire(session);
    const outcome = operation();
    if (fault === "expired after") service.expire(session);
    return outcome;
  };

  return {
    async open(options) {
      const session = await open(options);
      session.onState((state) => {
        if (state === "disconnected") void reconnectSoon(service, session);
      });
      return {
        get state() {
          return session.state;
        },
        onState: (listener) => session.onState(listener),
        create: (...args) => perform(session, () => session.create(...args)),
        get: (...args) => perform(session, () => session.get(...args)),
        exists: (...args) => perform(session, () => session.exists(...args)),
        children: (...args) => perform(session, () => session.children(...args)),
        set: (...args) => perform(session, () => session.set(...args)),
        delete: (...args) => perform(session, () => session.delete(...args)),
        sync: (...args) => perform(session, () => session.sync(...args)),
        close: () => session.close(),
      };
    },
    get operations() {
      return operations;
    },
  };
}

/** Late enough that everybody has seen the session disconnected, and before the next timer. */
async function reconnectSoon(service: EmbeddedCoordination, session: Coordination): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await undefined;
  service.reconnect(session);
}

/**
 * Runs a scenario with each fault at its first operation, at its second, and so on, until one run has ended before the
 * fault came. Without faults, the scenario must end in at most 200 operations.
 */
export async function withEachFault(
  run: (at: number, fault: Fault) => Promise<FaultySessions>,
): Promise<void> {
  for (const fault of faults) {
    for (let at = 1; ; at++) {
      if (at > 200) throw new Error("the scenario does not end");
      let sessions: FaultySessions;
      try {
        sessions = await run(at, fault);
      } catch (error) {
        throw new Error(`${fault} at operation ${at}`, { cause: error });
      }
      if (sessions.operations < at) break;
    }
  }
}
