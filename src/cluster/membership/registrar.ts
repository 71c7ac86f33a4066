import { createBackoff } from "../../common/backoff.ts";
import type { Clock } from "../../common/clock.ts";
import { type Access, type Coordination, CoordinationError } from "../../coordination/coordination.ts";
import { explain, withoutRepetition } from "../metadata/diagnostics.ts";
import type { Member } from "../metadata/model.ts";
import { masterNumber } from "../metadata/paths.ts";
import {
  type Task,
  unlessAborted,
  untilConnected,
  untilTouched,
  type Znode,
} from "../metadata/retry-on-connection-loss.ts";
import type { SessionKeeper } from "../metadata/session-keeper.ts";
import type { Register } from "./registration.ts";

/** A place in the cluster that the process has got, under one session. */
export interface Registration extends Member {
  readonly session: Coordination;
}

export interface KeptRegistration {
  /** Undefined while the process has no place. It may be lost already while its session is not connected. */
  readonly current: Registration | undefined;
}

/** Whether a registered router is the master for certain, as far as a process can know: it may be paused just now. */
export function isMaster(registration: Registration | undefined): boolean {
  return registration?.number === masterNumber && registration.session.state === "connected";
}

/** A place that was held for so long is worth another attempt without delay when it is lost. */
const stableMs = 10_000;

/**
 * Keeps the process registered for as long as `sessions` go on: under each new session, after somebody has deleted its
 * znode, and after every failure. `onChange` is told each change of `current`, of a new place while its session is
 * connected; when a router becomes master, that place follows the old one without a gap.
 */
export function keepRegistered(options: {
  sessions: SessionKeeper;
  clock: Clock;
  access: Access;
  register: Register;
  onChange: (registration: Registration | undefined) => void;
  onDiagnostic: (message: string) => void;
}): KeptRegistration {
  const { sessions, clock, access, register, onChange } = options;
  const onDiagnostic = withoutRepetition(options.onDiagnostic);
  let current: Registration | undefined;

  const change = (next: Registration | undefined) => {
    if (next?.incarnation === current?.incarnation && next?.number === current?.number) return;
    current = next;
    onChange(next);
  };

  sessions.use((session, signal) => {
    signal.addEventListener("abort", () => change(undefined), { once: true });
    void runRegistrations({ session, clock, access, signal, onDiagnostic }, register, change);
  });
  return {
    get current() {
      return current;
    },
  };
}

/** Claims a place whenever there is reason to, until the task is over. */
async function runRegistrations(
  task: Task,
  register: Register,
  change: (registration: Registration | undefined) => void,
): Promise<void> {
  const { session, clock, signal, onDiagnostic } = task;
  const pause = createBackoff(clock, 100, 10_000);
  const touched = createAlarms(task);
  while (!signal.aborted) {
    try {
      const { number, incarnation, znode, coveted } = await register(task);
      // So that whoever is told of a place finds it live, and can begin to use it.
      while (session.state !== "connected") await untilConnected(session, signal);
      if (signal.aborted) return;
      change({ number, incarnation, session });
      const claimedMs = clock.monotonicMs();
      const cause = await touched(coveted === undefined ? [znode] : [znode, coveted]);
      if (signal.aborted) return;
      if (cause.path !== znode.path) continue;
      change(undefined);
      if (clock.monotonicMs() - claimedMs >= stableMs) pause.reset();
    } catch (error) {
      if (signal.aborted || CoordinationError.is(error, "SESSION_EXPIRED", "CLOSED")) return;
      onDiagnostic(explain(error));
    }
    await pause.wait(signal);
  }
}

/**
 * Waits for the first of some znodes to be touched. A watch that has not fired is used again by the next wait, so that
 * watches do not pile up on a znode that never changes.
 */
function createAlarms(task: Task): (znodes: readonly Znode[]) => Promise<Znode> {
  const alarms = new Map<string, Promise<Znode>>();
  const alarmOf = (znode: Znode) => {
    const key = `${znode.czxid} ${znode.path}`;
    let alarm = alarms.get(key);
    if (alarm === undefined) {
      alarm = untilTouched(task, znode)
        .then(() => znode)
        .finally(() => alarms.delete(key));
      alarm.catch(() => {}); // Nobody may be waiting any more.
      alarms.set(key, alarm);
    }
    return alarm;
  };
  return (znodes) => unlessAborted(Promise.race(znodes.map(alarmOf)), task.signal);
}
