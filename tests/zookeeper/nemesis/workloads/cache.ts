import { ZooKeeperError } from "../../../../src/zookeeper/index.ts";
import { untilAnswered } from "../../../../src/zookeeper/recipes/lost-answers.ts";
import { CheckedCache } from "../../../support/cache-checks.ts";
import type { NemesisClient } from "../client.ts";
import { pause } from "../faults.ts";
import type { Round, Workload } from "../workload.ts";

const CHANGES = 60;

/** The caches of a round, each with its client. */
const caches = new WeakMap<Round, Map<NemesisClient, CheckedCache>>();

/** Every cache equals the tree when that is at rest, and its events were in order. */
export const cacheWorkload: Workload = {
  name: "cache",
  async run(round) {
    const all = new Map<NemesisClient, CheckedCache>();
    caches.set(round, all);
    await untilAnswered(() => round.observer.createAll(`${round.path}/a/b`));
    const starting = Promise.all(round.clients.map((client) => open(round, client)));
    for (let change = 0; change < CHANGES; change++) {
      await makeChange(round, change);
      await pause(round.random() * 3);
    }
    await starting;
  },
  async check(round) {
    for (const [client, checked] of caches.get(round) ?? []) {
      const isOver = checked.story.at(-1) === "ended";
      // That of a session that is over has ended, and the next one begins anew.
      await (isOver ? await open(round, client) : checked).equals(round.observer);
    }
    for (const { cache } of caches.get(round)?.values() ?? []) cache.close();
  },
};

function open(round: Round, client: NemesisClient): Promise<CheckedCache> {
  return client.perform(async (session) => {
    const checked = new CheckedCache(session, round.path);
    caches.get(round)?.set(client, checked);
    await checked.cache.start({ signal: round.signal });
    return checked;
  });
}

/** By the observer or a client; some fail, as what they are about is or is not there. */
async function makeChange({ path, clients, observer, random }: Round, change: number): Promise<void> {
  const names = ["a", "b", "c"];
  const depth = 1 + Math.floor(random() * 3);
  const at = path + Array.from({ length: depth }, () => `/${names[Math.floor(random() * 3)]}`).join("");
  const data = Buffer.from(`${change}`);
  const writer = random() < 0.5 ? observer : await clients[Math.floor(random() * clients.length)]?.session();
  const options = { deadlineMs: 200 };
  try {
    const kind = random();
    if (kind < 0.45) await writer?.create(at, data, options);
    else if (kind < 0.7) await writer?.set(at, data, options);
    else await writer?.delete(at, options);
  } catch (error) {
    if (!ZooKeeperError.is(error)) throw error;
  }
}
