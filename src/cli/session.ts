import process from "node:process";
import { KvClient } from "../client/index.ts";
import { INTERRUPTED } from "../settings/exit-codes.ts";
import { type ReachSettings, routersOf } from "./router-settings.ts";
import { connectRouters, type Routers } from "./routers.ts";

/** A session with a cluster. It connects at the first call. */
export interface Session extends AsyncDisposable {
  /** URLs of its routers. */
  readonly routers: readonly string[];
  /** For calls that only routers answer. */
  readonly ask: Routers["ask"];
  /** For calls about keys. */
  readonly client: KvClient;
  /** In the repl, aborted when the line is aborted. */
  readonly signal: AbortSignal | undefined;
  /**
   * For commands that run until they are stopped. The first Ctrl-C or SIGTERM from now on aborts it; the second ends
   * the process at once.
   */
  interruption(): AbortSignal;
}

export function openSession(settings: ReachSettings): Session {
  const routers = routersOf(settings);
  const deadlineMs = settings.timeout * 1000;
  const client = new KvClient({ routers, deadlineMs, direct: settings.direct ?? false });
  return {
    routers,
    ask: connectRouters(routers, deadlineMs).ask,
    client,
    signal: undefined,
    interruption: untilInterrupted,
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** The same session for one line of the repl. */
export function lineOf(session: Session, signal: AbortSignal): Session {
  return {
    ...session,
    ask: (question) => session.ask(question, signal),
    signal,
    interruption: () => signal,
  };
}

/** Aborted by the first Ctrl-C or SIGTERM from now on. The second ends the process at once. */
export function untilInterrupted(): AbortSignal {
  const interruption = new AbortController();
  const { signal } = interruption;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => (signal.aborted ? process.exit(INTERRUPTED) : interruption.abort()));
  }
  return signal;
}
