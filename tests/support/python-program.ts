import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bufProgram } from "./buf-curl.ts";
import { programEnvironment } from "./run-program.ts";

/** Writes the schema to a file, for programs that make messages of it without generated code. */
export async function writeDescriptors(path: string): Promise<void> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const child = spawn(bufProgram, ["build", "--as-file-descriptor-set", "-o", path], {
    cwd: root,
    stdio: "inherit",
  });
  const exitCode = await new Promise((resolve) => child.on("close", resolve));
  if (exitCode !== 0) throw new Error(`buf build has ended with ${exitCode}`);
}

/** A Python program of these tests, whose lines of JSON can be read as they come. */
export class PythonProgram {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaint = "";

  constructor(name: string, args: readonly string[]) {
    const file = fileURLToPath(new URL(name, import.meta.url));
    // Debian's, which finds Debian's grpcio.
    this.#child = spawn("/usr/bin/python3", [file, ...args], { env: programEnvironment() });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#complaint += chunk.toString();
    });
  }

  /** The next line. Undefined at the end. */
  async next<T>(): Promise<T | undefined> {
    const { done, value } = await this.#lines.next();
    if (done) {
      if (this.#complaint !== "") throw new Error(this.#complaint);
      return undefined;
    }
    return JSON.parse(value);
  }

  /** Writes a line to its standard input. */
  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
