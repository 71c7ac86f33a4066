import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { until } from "../../support/until.ts";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface ServerSettings {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One process of a cluster under measurement. */
export class Server {
  readonly name: string;
  readonly #settings: ServerSettings;
  #child: ChildProcess | undefined;
  #output = "";

  constructor(settings: ServerSettings) {
    this.name = settings.name;
    this.#settings = settings;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.name} is not running`);
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The newest of what the process has written. */
  get output(): string {
    return this.#output;
  }

  launch(): void {
    const { command, args, env } = this.#settings;
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(command, args, { env: { PATH, HOME, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#output = "";
    running.add(child);
    child.once("exit", () => running.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-64 * 1024);
      });
    }
    this.#child = child;
  }

  /** Waits until it has written `text`. */
  async says(text: string, timeoutMs = 60_000): Promise<void> {
    await this.until(`says "${text}"`, () => this.#output.includes(text), timeoutMs);
  }

  /** Waits until it `answers`, as long as it runs. */
  async until(what: string, answers: () => Promise<boolean> | boolean, timeoutMs = 60_000): Promise<void> {
    await until(`${this.name} ${what}`, timeoutMs, async () => {
      if (!this.isRunning) throw new Error(`${this.name} has ended before it ${what}:\n${this.#output}`);
      return await answers();
    });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (!this.isRunning || this.#child === undefined) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }
}
