import { explain, withoutRepetition } from "../cluster/metadata/diagnostics.ts";
import {
  retryOnConnectionLoss,
  type Task,
  untilTouched,
} from "../cluster/metadata/retry-on-connection-loss.ts";
import type { SessionSource } from "../cluster/metadata/session-keeper.ts";
import { createBackoff } from "../common/backoff.ts";
import { type Clock, sleep } from "../common/clock.ts";
import { type Access, CoordinationError } from "../coordination/coordination.ts";
import type { AgentIdentity } from "./identity.ts";
import type { Load } from "./load.ts";
import { registerAgent, writeReport } from "./registration.ts";
import { formatReport, isNews } from "./report.ts";

export interface AgentOptions {
  readonly sessions: SessionSource;
  readonly clock: Clock;
  /** Access mode for the znodes that the agent creates. */
  readonly access: Access;
  readonly identity: AgentIdentity;
  readonly readLoad: () => Load;
  /** Least time between two writes. */
  readonly intervalMs: number;
  /** Called when the agent has a znode, with its path. */
  readonly onRegistered?: (path: string) => void;
  /** Called with each failure: one line. The agent tries again. */
  readonly onDiagnostic: (message: string) => void;
}

/** Pauses before another attempt after a failure, or after somebody has deleted the znode. */
const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/**
 * Keeps an ephemeral znode with the load of this machine under `/zk-agent` for as long as the sessions go on: under each
 * new session, and after somebody has deleted it. It writes when the load has changed, and at most every `intervalMs`.
 * Never throws: whatever fails is told to `onDiagnostic`, once. Returns a function that stops it. Its znode goes with the
 * session.
 */
export function runAgent(options: AgentOptions): () => void {
  const { sessions, clock, access } = options;
  const tell = withoutRepetition(options.onDiagnostic);
  const onDiagnostic = (message: string) => tell(`agent: ${message}`);
  return sessions.use((session, signal) => {
    void keepRegistered({ session, clock, access, signal, onDiagnostic }, options);
  });
}

/** Registers whenever there is reason to, until the task is over. */
async function keepRegistered(task: Task, options: AgentOptions): Promise<void> {
  const { clock, signal, onDiagnostic } = task;
  const pause = createBackoff(clock, firstPauseMs, longestPauseMs);
  while (!signal.aborted) {
    const beganMs = clock.monotonicMs();
    try {
      await report(task, options);
    } catch (error) {
      if (signal.aborted || CoordinationError.is(error, "SESSION_EXPIRED", "CLOSED")) return;
      onDiagnostic(explain(error));
    }
    if (clock.monotonicMs() - beganMs >= longestPauseMs) pause.reset();
    await pause.wait(signal);
  }
}

/** Registers, and reports each change. Returns when the znode has gone. */
async function report(task: Task, options: AgentOptions): Promise<void> {
  const { clock, signal } = task;
  const { identity, readLoad, intervalMs, onRegistered } = options;
  const format = (load: Load) => formatReport(identity, load, new Date(clock.wallMs()).toISOString());
  let reported = readLoad();
  const path = await registerAgent(task, identity.id, format(reported));
  onRegistered?.(path);
  let dueMs = clock.monotonicMs() + intervalMs;
  while (!signal.aborted) {
    const touched = whenTouched(task, path);
    while (!touched.aborted) {
      await sleep(clock, dueMs - clock.monotonicMs(), touched);
      if (touched.aborted) break;
      const load = readLoad();
      if (isNews(load, reported)) {
        if (!(await writeReport(task, path, format(load)))) return;
        reported = load;
      }
      dueMs = clock.monotonicMs() + intervalMs;
    }
    // Not at once again: whatever refuses to watch the znode will refuse the next time, too.
    if (touched.reason !== wasTouched) throw touched.reason;
    // It was touched by the write, as a rule.
    if ((await retryOnConnectionLoss(task, () => task.session.exists(path))) === undefined) return;
  }
}

const wasTouched = Symbol("the znode was touched");

/** Aborted with `wasTouched` when the znode's data changes or it goes; with the error when it cannot be watched any more. */
function whenTouched(task: Task, path: string): AbortSignal {
  const touched = new AbortController();
  untilTouched(task, { path }).then(
    () => touched.abort(wasTouched),
    (error) => touched.abort(error),
  );
  return touched.signal;
}
