import { createBackoff } from "../../common/backoff.ts";
import type { Clock } from "../../common/clock.ts";
import { type Coordination, CoordinationError, type OpenSession } from "../../coordination/coordination.ts";
import { explain, withoutRepetition } from "./diagnostics.ts";

/** What a part of the process does with each session; `signal` is aborted when that session is over. */
export type SessionUser = (session: Coordination, signal: AbortSignal) => void;

/** The sessions of a process: one at a time, a new one whenever the last is over. */
export interface SessionKeeper {
  /** The session of now, connected or not; undefined while there is none. */
  readonly current: Coordination | undefined;
  /** What has last kept a session from being opened; undefined once one is. */
  readonly trouble: string | undefined;
  /** Calls `user` with the session of now, if any, and with every later one. Returns how to stop that. */
  use(user: SessionUser): () => void;
  /** Settles when there will be no further session: after `stop`, or by rejecting with what no retry can mend. */
  readonly done: Promise<void>;
  /** Ends what the users do, then the session, so that its ephemeral znodes go at once. Never fails. */
  stop(): Promise<void>;
}

/** A session that lasted for so long was no failure: the next one is opened soon. */
const stableMs = 10_000;

/** Opens sessions from now until `stop`. */
export function keepSessions(options: {
  open: OpenSession;
  clock: Clock;
  onDiagnostic: (message: string) => void;
}): SessionKeeper {
  const { open, clock } = options;
  const tell = withoutRepetition(options.onDiagnostic);
  let trouble: string | undefined;
  const onDiagnostic = (message: string) => {
    if (current === undefined) trouble = message;
    tell(message);
  };
  const stopping = new AbortController();
  const users = new Map<SessionUser, AbortController | undefined>();
  let current: Coordination | undefined;

  const begin = (user: SessionUser, session: Coordination) => {
    const controller = new AbortController();
    users.set(user, controller);
    user(session, controller.signal);
  };

  const serveUsers = async (session: Coordination) => {
    const end = untilOver(session, stopping.signal);
    current = session;
    trouble = undefined;
    for (const user of [...users.keys()]) begin(user, session);
    await end;
    current = undefined;
    const reason = new CoordinationError("SESSION_EXPIRED", `the session is ${session.state}`);
    for (const controller of users.values()) controller?.abort(reason);
    await session.close();
  };

  const run = async () => {
    const pause = createBackoff(clock, 100, 5000);
    while (!stopping.signal.aborted) {
      let beganMs = clock.monotonicMs();
      try {
        const session = await open({ signal: stopping.signal, onDiagnostic });
        beganMs = clock.monotonicMs();
        await serveUsers(session);
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (CoordinationError.is(error, "BAD_ARGUMENTS", "AUTH_FAILED")) throw error;
        onDiagnostic(explain(error));
      }
      if (clock.monotonicMs() - beganMs >= stableMs) pause.reset();
      await pause.wait(stopping.signal);
    }
  };
  const done = run();

  return {
    get current() {
      return current;
    },
    get trouble() {
      return trouble;
    },
    done,
    use(user) {
      if (current === undefined) users.set(user, undefined);
      else begin(user, current);
      return () => {
        users.get(user)?.abort(new CoordinationError("CLOSED", "stopped"));
        users.delete(user);
      };
    },
    async stop() {
      stopping.abort(new CoordinationError("CLOSED", "stopped"));
      await done.catch(() => {});
    },
  };
}

/** Resolves when the session is expired or closed, or the signal aborted. */
async function untilOver(session: Coordination, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const look = () => {
    if (session.state === "expired" || session.state === "closed" || signal.aborted) over.resolve();
  };
  const stopListening = session.onState(look);
  signal.addEventListener("abort", look);
  look();
  await over.promise;
  stopListening();
  signal.removeEventListener("abort", look);
}
