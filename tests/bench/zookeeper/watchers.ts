import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { programEnvironment } from "../../support/run-program.ts";
import { cpuSecondsOf, memoryBytesOf } from "../peers/process-stats.ts";
import { programOf, type Runtime } from "../runtimes.ts";

/** Who watches, and how. Each runs in a process of its own. */
export type WatcherKind = "recursive" | "one-shot" | "kazoo";

export interface WatcherSettings {
  readonly kind: WatcherKind;
  /** Of those that are not kazoo's. */
  readonly runtime: Runtime;
  readonly servers: string;
  readonly sessions: number;
  /** Of each session. */
  readonly watches: number;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Sessions with watches, as they say of themselves. */
export class Watchers {
  readonly #child: ChildProcess;
  readonly #connected = Promise.withResolvers<void>();
  readonly #watching = Promise.withResolvers<void>();
  #complaint = "";

  /** `onTold` gets the number of a watch that was told of a change, and when, in milliseconds since 1970. */
  constructor(settings: WatcherSettings, onTold: (index: number, atMs: number) => void) {
    const [command, args] = commandOf(settings);
    const child = spawn(command, args, { env: programEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    running.add(child);
    child.stderr.on("data", (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString()).slice(-4000);
    });
    child.once("exit", () => {
      running.delete(child);
      const error = new Error(`the watchers have ended:\n${this.#complaint}`);
      this.#connected.reject(error);
      this.#watching.reject(error);
    });
    // Whoever waits is told.
    for (const { promise } of [this.#connected, this.#watching]) promise.catch(() => {});
    createInterface({ input: child.stdout }).on("line", (line) => this.#hear(line, onTold));
  }

  /** Resolves when all have a session. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  /** Resolves when all watches are set. */
  get watching(): Promise<void> {
    return this.#watching.promise;
  }

  get memoryBytes(): number {
    return memoryBytesOf(this.#pid);
  }

  get cpuSeconds(): number {
    return cpuSecondsOf(this.#pid);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  get #pid(): number {
    if (!running.has(this.#child) || this.#child.pid === undefined) {
      throw new Error(`the watchers have ended:\n${this.#complaint}`);
    }
    return this.#child.pid;
  }

  #hear(line: string, onTold: (index: number, atMs: number) => void): void {
    const { event, told = [] }: { event: string; told?: number[] } = JSON.parse(line);
    if (event === "connected") this.#connected.resolve();
    if (event === "watching") this.#watching.resolve();
    for (let at = 0; at < told.length; at += 2) onTold(told[at] ?? 0, told[at + 1] ?? 0);
  }
}

function commandOf({ kind, runtime, servers, sessions, watches }: WatcherSettings): [string, string[]] {
  const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const counts = [`${sessions}`, `${watches}`];
  // Debian's, which finds Debian's kazoo.
  if (kind === "kazoo") return ["/usr/bin/python3", [fileOf("kazoo-watchers.py"), servers, ...counts]];
  return [programOf(runtime), [fileOf("watchers-program.ts"), servers, kind, ...counts]];
}
