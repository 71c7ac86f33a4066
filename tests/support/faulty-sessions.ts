import type { Coordination, OpenSession } from "../../src/coordination/coordination.ts";
import type { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { interceptedSession } from "./intercepted-session.ts";

/** What goes wrong at an operation: a lost connection, which comes back soon, or the end of the session. */
export const faults = ["request lost", "answer lost", "expired before", "expired after"] as const;
export type Fault = (typeof faults)[number];

/** What fault, if any, the operation with a number meets. */
export type FaultPlan = (operation: number) => Fault | undefined;

export interface FaultySessions {
  readonly open: OpenSession;
  /** How many operations there have been in all sessions. */
  readonly operations: number;
}

/** Opens sessions of an embedded service whose operations, counted from 1 over all sessions, meet faults. */
export function faultySessions(service: EmbeddedCoordination, faultAt: FaultPlan): FaultySessions {
  let operations = 0;
  return {
    async open(options) {
      const session = await service.opener()(options);
      session.onState((state) => {
        if (state === "disconnected") void reconnectSoon(service, session);
      });
      return interceptedSession(session, (_, perform) => {
        const fault = faultAt(++operations);
        if (fault === "request lost") service.loseNext(session, "request");
        else if (fault === "answer lost") service.loseNext(session, "answer");
        else if (fault === "expired before") service.expire(session);
        const outcome = perform();
        if (fault === "expired after") service.expire(session);
        return outcome;
      });
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
  run: (faultAt: FaultPlan, fault: Fault, at: number) => Promise<FaultySessions>,
): Promise<void> {
  for (const fault of faults) {
    for (let at = 1; ; at++) {
      if (at > 200) throw new Error("the scenario does not end");
      let sessions: FaultySessions;
      try {
        sessions = await run((operation) => (operation === at ? fault : undefined), fault, at);
      } catch (error) {
        throw new Error(`${fault} at operation ${at}`, { cause: error });
      }
      if (sessions.operations < at) break;
    }
  }
}
