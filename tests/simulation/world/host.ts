import { InvariantError } from "../../../src/common/invariant.ts";
import { SimProcess } from "./process.ts";
import { count, type World } from "./world.ts";

/** After which time a process that ended by itself is started again, as by a supervisor. */
const restartMs = 1000;

/** A machine that runs one program, again and again. */
export abstract class Host {
  readonly name: string;
  protected readonly world: World;
  /** How to leave the cluster in good order. */
  protected onLeave: (() => Promise<void>) | undefined;
  #process: SimProcess | undefined;
  #lives = 0;
  /** Whether it is to run; while it stops, it may not be there yet. */
  #isWanted = false;
  /** Whether it is out of use: `start` does nothing. */
  isRetired = false;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  /** Undefined while none runs. */
  get process(): SimProcess | undefined {
    return this.#process;
  }

  /** Runs the program until it fails. */
  protected abstract run(process: SimProcess): Promise<void>;
  /** The process is gone. */
  protected ended(): void {}

  start(): void {
    if (this.isRetired) return;
    this.#isWanted = true;
    if (this.#process !== undefined) return;
    const { seed, scheduler, trace } = this.world;
    const process = new SimProcess(this.name, ++this.#lives, seed, scheduler, trace);
    this.#process = process;
    process.log("starts");
    this.run(process).catch((error) => this.failed(process, error));
  }

  /** Like SIGKILL. It stays down until `start`. */
  kill(): void {
    this.#isWanted = false;
    if (this.#process !== undefined) this.#end(this.#process);
  }

  /** Like SIGTERM. It stays down until `start`. */
  stop(): void {
    const process = this.#process;
    const leave = this.onLeave;
    if (process?.state !== "running" || leave === undefined) {
      this.kill();
      return;
    }
    this.#isWanted = false;
    this.onLeave = undefined;
    process.log("is told to stop");
    const end = () => {
      this.#end(process);
      if (this.#isWanted) this.start();
    };
    this.world.scheduler.after(3000, `${this.name} stopping`, end);
    process.receive("stop", () => {
      // A process cannot end in the middle of what it does.
      const endSoon = () => this.world.scheduler.after(0, `${this.name} stopped`, end);
      leave().then(endSoon, endSoon);
    });
  }

  /** The program cannot go on: it ends, and is started again. */
  protected failed(process: SimProcess, error: unknown): void {
    if (error instanceof InvariantError) this.world.invariants.violated(`${this.name}: ${error.message}`);
    if (this.#process !== process) return;
    count(this.world, "process failed");
    process.log(`fails: ${error instanceof Error ? error.message : String(error)}`);
    const { scheduler } = this.world;
    scheduler.after(0, `${this.name} exits`, () => this.#end(process));
    scheduler.after(restartMs, `${this.name} restarts`, () => {
      if (this.#isWanted) this.start();
    });
  }

  #end(process: SimProcess): void {
    if (this.#process !== process) return;
    process.log("ends");
    this.#process = undefined;
    this.onLeave = undefined;
    process.kill();
    this.ended();
  }
}
