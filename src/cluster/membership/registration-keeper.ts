import { createBackoff } from "../../common/backoff.ts";
import type { Clock } from "../../common/clock.ts";
import { unlessAborted } from "../../common/unless-aborted.ts";
import { type Access, type Coordination, CoordinationError } from "../../coordination/coordination.ts";
import { explain, withoutRepetition } from "../metadata/diagnostics.ts";
import type { Member } from "../metadata/model.ts";
import { masterNumber } from "../metadata/paths.ts";
import { type Task, untilConnected, untilTouched, type Znode } from "../metadata/retry-on-connection-loss.ts";
import type { SessionKeeper } from "../metadata/session-keeper.ts";
import type { Register } from "./registration.ts";

/** A place in the cluster that the process has got, under one session. */
export interface Registration extends Member {
  readonly session: Coordination;
}

/** Whether a registered router is the master for certain, as far as a process can know: it may be paused just now. */
export function isMaster(registration: Registration | undefined): boolean {
  return registration?.number === masterNumber && registration.session.state === "connected";
}

/** A place that was held for so long is worth another attempt without delay when it is lost. */
const stableMs = 10_000;

export interface RegistrationKeeperOptions {
  readonly sessions: SessionKeeper;
  readonly clock: Clock;
  readonly access: Access;
  readonly register: Register;
  readonly onChange: (registration: Registration | undefined) => void;
  readonly onDiagnostic: (message: string) => void;
}

/**
 * Keeps the process registered for as long as its sessions go on: under each new session, after somebody has deleted its
 * znode, and after every failure. `onChange` is told each change of `current`, of a new place while its session is
 * connected; when a router becomes master, that place follows the old one without a gap.
 */
export class RegistrationKeeper {
  readonly #options: RegistrationKeeperOptions;
  #current: Registration | undefined;

  constructor(options: RegistrationKeeperOptions) {
    this.#options = options;
    const { sessions, clock, access } = options;
    const onDiagnostic = withoutRepetition(options.onDiagnostic);
    sessions.use((session, signal) => {
      signal.addEventListener("abort", () => this.#change(undefined), { once: true });
      void this.#run({ session, clock, access, signal, onDiagnostic });
    });
  }

  /** Undefined while the process has no place. It may be lost already while its session is not connected. */
  get current(): Registration | undefined {
    return this.#current;
  }

  /** Registers whenever there is reason to, until the task is over. */
  async #run(task: Task): Promise<void> {
    const { session, clock, signal, onDiagnostic } = task;
    const pause = createBackoff(clock, 100, 10_000);
    const alarms = new Alarms(task);
    while (!signal.aborted) {
      try {
        const { number, incarnation, znode, coveted } = await this.#options.register(task);
        // So that whoever is told of a place finds it live, and can begin to use it.
        while (session.state !== "connected") await untilConnected(session, signal);
        if (signal.aborted) return;
        this.#change({ number, incarnation, session });
        const registeredMs = clock.monotonicMs();
        const cause = await alarms.first(coveted === undefined ? [znode] : [znode, coveted]);
        if (signal.aborted) return;
        if (cause.path !== znode.path) continue;
        this.#change(undefined);
        if (clock.monotonicMs() - registeredMs >= stableMs) pause.reset();
      } catch (error) {
        if (signal.aborted || CoordinationError.is(error, "SESSION_EXPIRED", "CLOSED")) return;
        onDiagnostic(explain(error));
      }
      await pause.wait(signal);
    }
  }

  #change(next: Registration | undefined): void {
    const current = this.#current;
    if (next?.incarnation === current?.incarnation && next?.number === current?.number) return;
    this.#current = next;
    this.#options.onChange(next);
  }
}

/**
 * Waits for the first of some znodes to be touched. A watch that has not fired is used again by the next wait, so that
 * watches do not pile up on a znode that never changes.
 */
class Alarms {
  readonly #task: Task;
  readonly #pending = new Map<string, Promise<Znode>>();

  constructor(task: Task) {
    this.#task = task;
  }

  first(znodes: readonly Znode[]): Promise<Znode> {
    return unlessAborted(Promise.race(znodes.map((znode) => this.#of(znode))), this.#task.signal);
  }

  #of(znode: Znode): Promise<Znode> {
    const key = `${znode.czxid} ${znode.path}`;
    let alarm = this.#pending.get(key);
    if (alarm === undefined) {
      alarm = untilTouched(this.#task, znode)
        .then(() => znode)
        .finally(() => this.#pending.delete(key));
      alarm.catch(() => {}); // Nobody may be waiting any more.
      this.#pending.set(key, alarm);
    }
    return alarm;
  }
}
