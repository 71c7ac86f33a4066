import process from "node:process";
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { missingPrograms, type ProgramName } from "./peers/peer.ts";

const help = { help: { type: "boolean", short: "h" } } as const;

/** The command line of one measurement. It ends the process after help, and after mistakes. */
export class CommandLine {
  readonly #name: string;
  readonly #help: string;

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  read<const Options extends ParseArgsOptionsConfig>(options: Options) {
    try {
      const { values } = parseArgs({ options: { ...options, ...help } });
      if (!("help" in values)) return values;
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
    console.log(this.#help);
    process.exit(0);
  }

  /** A count: of rounds, for example. */
  count(option: string, given: string): number {
    const count = Number(given);
    if (Number.isInteger(count) && count > 0) return count;
    this.fail(`--${option} is ${given}; it must be a whole number greater than 0`);
  }

  seconds(option: string, given: string): number {
    const seconds = Number(given);
    if (seconds >= 0.1 && seconds <= 3600) return seconds;
    this.fail(`--${option} is ${given}; it must be a number from 0.1 to 3600`);
  }

  /** Ends the process unless these programs are there. From then on, what it starts ends with it. */
  needs(programs: readonly ProgramName[]): void {
    const missing = missingPrograms(programs);
    if (missing.length > 0) this.fail(missing.join("\n"));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));
  }

  fail(message: string): never {
    console.error(`${this.#name}: ${message}`);
    process.exit(2);
  }
}
