import process from "node:process";
import { ZooKeeper } from "../../../src/zookeeper/index.ts";
import { changedPath, watchedPath } from "./watched-znodes.ts";

// Sessions with watches, in a process of their own. It says `connected`, then `watching`, and then from time to time
// `told` with the number of each watch that was told of a change, and when. kazoo-watchers.py does the same.

/** So many connect at a time. */
const CONNECTING_MAX = 50;
const SAY_EVERY_MS = 50;

const [servers = "", kind = "", sessionCount = "", watchesPerSession = ""] = process.argv.slice(2);
const [sessions, watches] = [Number(sessionCount), Number(watchesPerSession)];
const told: number[] = [];
const clients: ZooKeeper[] = [];

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const tell = (index: number) => told.push(index, performance.timeOrigin + performance.now());

async function watchOnce(client: ZooKeeper, index: number): Promise<void> {
  await client.get(changedPath(index), {
    watch: ({ type }) => {
      if (type !== "changed") return;
      tell(index);
      // An error ends the process, and so the measurement.
      watchOnce(client, index);
    },
  });
}

async function watch(client: ZooKeeper, index: number): Promise<void> {
  if (kind === "one-shot") return watchOnce(client, index);
  await client.addWatch(watchedPath(index), { mode: "persistent-recursive" }, ({ type }) => {
    if (type === "changed") tell(index);
  });
}

while (clients.length < sessions) {
  const count = Math.min(CONNECTING_MAX, sessions - clients.length);
  const options = { servers, sessionTimeoutMs: 40_000, deadlineMs: 120_000 };
  clients.push(...(await Promise.all(Array.from({ length: count }, () => ZooKeeper.connect(options)))));
}
say({ event: "connected" });
for (const [session, client] of clients.entries()) {
  const numbers = Array.from({ length: watches }, (_, watchNumber) => session * watches + watchNumber);
  await Promise.all(numbers.map((index) => watch(client, index)));
}
say({ event: "watching" });
setInterval(() => {
  if (told.length > 0) say({ event: "told", told: told.splice(0) });
}, SAY_EVERY_MS);
