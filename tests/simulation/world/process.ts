import type { Clock } from "../../../src/common/clock.ts";
import { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/**
 * How fast a process's clock may run: between the fastest and the slowest lies a little less than the tenth that
 * leases allow for.
 */
const slowestClock = 0.954;
const fastestClock = 1.048;

/** The time of day when the simulation begins, in milliseconds since 1970. */
const wallStartMs = 1_700_000_000_000;

export type ProcessState = "running" | "paused" | "dead";

type Kind = "timer" | "message";

interface Held {
  readonly kind: Kind;
  readonly what: string;
  run: (() => void) | undefined;
}

/**
 * One life of a simulated process. Everything from outside reaches it by `deliver`: a paused process gets it when it
 * goes on, a dead one never.
 */
export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #trace: Trace;
  readonly #random: Random;
  readonly #rate: number;
  readonly #startMs: number;
  #state: ProcessState = "running";
  #wallOffsetMs: number;
  /** What the wall clock showed just before and after each of its jumps. */
  readonly #turnsMs: number[] = [];
  /** What came during a pause and what has come behind it, in its order. */
  readonly #held: Readonly<Record<Kind, Held[]>> = { timer: [], message: [] };
  readonly #deathListeners = new Set<() => void>();

  /** `life` tells the lives of one name apart. */
  constructor(name: string, life: number, seed: number, scheduler: Scheduler, trace: Trace) {
    this.name = name;
    this.#scheduler = scheduler;
    this.#trace = trace;
    this.#random = new Random(`${seed} ${name} ${life}`);
    // A clock belongs to the machine, and keeps its rate over restarts.
    this.#rate = new Random(`${seed} ${name} clock`).between(slowestClock, fastestClock);
    this.#startMs = this.#random.between(0, 1e6);
    // Machines agree on the time of day but for what their clocks have gone wrong since.
    this.#wallOffsetMs = wallStartMs - this.#startMs;
    this.clock = {
      monotonicMs: () => this.monotonicAt(scheduler.nowMs),
      wallMs: () => this.#wallOffsetMs + this.monotonicAt(scheduler.nowMs),
      timer: (delayMs, callback) => this.#schedule("timer", delayMs / this.#rate, "timer", callback),
      random: () => this.#random.next(),
    };
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** What its clock shows at a time of the simulation. */
  monotonicAt(timeMs: number): number {
    return this.#startMs + timeMs * this.#rate;
  }

  log(message: string): void {
    if (this.#state !== "dead") this.#trace.note(this.#scheduler.nowMs, this.name, message);
  }

  /** Lets something from outside reach the process after `delayMs`. */
  deliver(delayMs: number, what: string, run: () => void): void {
    this.#schedule("message", delayMs, what, run);
  }

  /** Something from outside has reached the process. */
  receive(what: string, run: () => void): void {
    this.#run({ kind: "message", what, run });
  }

  /** Returns how to stop that. */
  onDeath(listener: () => void): () => void {
    this.#deathListeners.add(listener);
    return () => this.#deathListeners.delete(listener);
  }

  /** Like SIGSTOP. */
  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** Like SIGCONT: what has come meanwhile is handled at once, in the order in which it came. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const kind of ["timer", "message"] as const) this.#release(kind, this.#random.between(0, 0.5));
  }

  /** Like SIGKILL. */
  kill(): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    for (const listener of this.#deathListeners) listener();
  }

  jumpWall(byMs: number): void {
    const beforeMs = this.clock.wallMs();
    this.#wallOffsetMs += byMs;
    this.#turnsMs.push(beforeMs, beforeMs + byMs);
  }

  /** Returns a function that tells what the wall clock has shown since: first, around its jumps, and last. */
  watchWall(): () => readonly number[] {
    const firstMs = this.clock.wallMs();
    const turns = this.#turnsMs.length;
    return () => [firstMs, ...this.#turnsMs.slice(turns), this.clock.wallMs()];
  }

  #schedule(kind: Kind, delayMs: number, what: string, run: () => void): () => void {
    const event: Held = { kind, what, run };
    const cancel = this.#scheduler.after(delayMs, `${this.name} ${what}`, () => this.#run(event));
    return () => {
      event.run = undefined;
      cancel();
    };
  }

  #run(event: Held): void {
    const held = this.#held[event.kind];
    if (this.#state === "paused" || held.length > 0) held.push(event);
    else if (this.#state === "running") event.run?.();
  }

  /** Handles what is held, one after another, unless the process is paused before. */
  #release(kind: Kind, delayMs: number): void {
    const [first] = this.#held[kind];
    if (first === undefined) return;
    this.#scheduler.after(delayMs, `${this.name} ${first.what}`, () => {
      if (this.#state !== "running") return;
      this.#held[kind].shift()?.run?.();
      this.#release(kind, this.#random.between(0, 0.01));
    });
  }
}
