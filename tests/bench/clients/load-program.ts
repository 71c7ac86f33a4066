/**
 * Puts load on a store over its client library: `load-program.ts kvlab ROUTER` or `load-program.ts redis PORT`. Takes
 * orders as lines of its standard input, one after another, and answers each with a line.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { kvlabStore } from "./kvlab-store.ts";
import { fill, run } from "./load.ts";
import type { Answer, Order } from "./messages.ts";
import { redisStore } from "./redis-store.ts";

const [system, place = ""] = process.argv.slice(2);
const store = system === "kvlab" ? kvlabStore(place) : await redisStore(Number(place));

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await carryOut(JSON.parse(line))));
}
store.close();

async function carryOut(order: Order): Promise<Answer> {
  try {
    if (order.kind === "run") return { load: await run(store, order) };
    await fill(store, order);
    return { filled: true };
  } catch (error) {
    return { error: String(error) };
  }
}
