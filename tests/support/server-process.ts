import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import process from "node:process";
import { commandFor, programEnvironment } from "./run-program.ts";
import { until } from "./until.ts";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A router or data node in a process of its own, on the runtime of this test; it can be started again and again. */
export class ServerProcess {
  readonly name: string;
  readonly address: string;
  readonly #entry: URL;
  readonly #env: Readonly<Record<string, string>>;
  /** Gets everything that the process ever writes, if it is set before the start. */
  logFile: string | undefined;
  #child: ChildProcess | undefined;
  #output = "";

  /** `entry`: one of ours by name, or another program. */
  constructor(
    name: string,
    entry: "router" | "data" | URL,
    port: number,
    env: Readonly<Record<string, string>>,
  ) {
    this.name = name;
    this.address = `127.0.0.1:${port}`;
    this.#entry = entry instanceof URL ? entry : new URL(`../../src/${entry}.ts`, import.meta.url);
    this.#env = { serverip: "127.0.0.1", serverport: String(port), ...env };
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.name} is not running`);
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything that the process has written since it was last started. */
  get output(): string {
    return this.#output;
  }

  /** Adds a line of our own to the log file. */
  note(text: string): void {
    if (this.logFile !== undefined) appendFileSync(this.logFile, `${text}\n`);
  }

  /** Starts the process and waits until it has its place in the cluster. */
  async start(): Promise<void> {
    this.launch();
    await this.says("registered as");
  }

  launch(): void {
    const [command, args] = commandFor(this.#entry, []);
    this.#output = "";
    const child = spawn(command, args, {
      env: { ...programEnvironment(), ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        if (this.logFile !== undefined) appendFileSync(this.logFile, chunk);
        if (this.#child === child) this.#output += chunk.toString();
      });
    }
    this.#child = child;
  }

  /** Waits until the process has written `text`. */
  async says(text: string, timeoutMs = 30_000): Promise<void> {
    await until(`${this.name} says "${text}"`, timeoutMs, () => {
      if (this.#output.includes(text)) return true;
      if (!this.isRunning) {
        throw new Error(`${this.name} has ended before it said "${text}":\n${this.#output}`);
      }
      return false;
    });
  }

  /** kill -9 */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Ends the process as an operator would. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** The exit code, once the process has ended by itself. */
  async exited(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) throw new Error(`${this.name} was never started`);
    if (this.isRunning) await once(child, "exit");
    return child.exitCode;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}
