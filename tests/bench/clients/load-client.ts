import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Load } from "../load.ts";
import { programOf, type Runtime } from "../runtimes.ts";
import type { Answer, FillOrder, Order, RunOrder } from "./messages.ts";

/** A process that calls a store over its client library. It stays between measurements, as a server's does. */
export interface LoadClient {
  fill(order: FillOrder): Promise<void>;
  run(order: RunOrder): Promise<Load>;
  close(): Promise<void>;
}

export function startLoadClient(runtime: Runtime, system: "kvlab" | "redis", place: string): LoadClient {
  const file = fileURLToPath(new URL("load-program.ts", import.meta.url));
  const child = spawn(programOf(runtime), [file, system, place], { stdio: ["pipe", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  const ask = async (order: Order): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error(`the client of ${system} on ${runtime} has ended`);
    const answer: Answer = JSON.parse(value);
    if ("error" in answer) throw new Error(`the client of ${system} on ${runtime}: ${answer.error}`);
    return answer;
  };
  return {
    async fill(order) {
      await ask({ kind: "fill", ...order });
    },
    async run(order) {
      const answer = await ask({ kind: "run", ...order });
      if (!("load" in answer)) throw new Error(`the client of ${system} has answered ${Object.keys(answer)}`);
      return answer.load;
    },
    async close() {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}
