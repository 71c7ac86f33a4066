import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";

const name = "stop";

/** Tells the data nodes at which step of a move one of them is to stop itself: see stopping-data-program.ts. */
export class StopFile {
  readonly path: string;
  readonly #folder: string;

  /** `folder`: has nothing else in it. */
  constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, name);
  }

  async stopAt(step: string): Promise<void> {
    await writeFile(this.path, step);
  }

  /** The node that has stopped itself. */
  async untilStopped(nodes: readonly ServerProcess[], timeoutMs: number): Promise<ServerProcess> {
    return await until("a data node has stopped", timeoutMs, async () => {
      const found = (await readdir(this.#folder)).find((each) => each.startsWith(`${name}.`));
      if (found === undefined) return undefined;
      const pid = Number(found.slice(name.length + 1));
      // A SIGCONT that came before its SIGSTOP would be lost.
      if (!(await isStopped(pid))) return undefined;
      await rm(join(this.#folder, found));
      return nodes.find((node) => node.isRunning && node.pid === pid);
    });
  }
}

async function isStopped(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return /^State:\s+T/m.test(status);
}
