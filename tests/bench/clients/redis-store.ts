import { createClient } from "redis";
import type { Store } from "./store.ts";

/** Where the keys stand in order: Redis scans keys in no order, and a sorted set beside them is the usual way. */
const order = "keys-in-order";

export async function redisStore(port: number): Promise<Store> {
  const client = createClient({ socket: { host: "127.0.0.1", port } });
  await client.connect();
  return {
    async put(key, value) {
      if ((await client.set(key, value)) !== "OK") throw new Error(`SET of ${key} was not answered with OK`);
    },
    async get(key) {
      return (await client.get(key)) ?? undefined;
    },
    async delete(key) {
      return (await client.del(key)) === 1;
    },
    async batch(pairs) {
      if ((await client.mSet(Object.fromEntries(pairs))) !== "OK") {
        throw new Error("MSET was not answered with OK");
      }
    },
    async index(keys) {
      await client.zAdd(
        order,
        keys.map((value) => ({ score: 0, value })),
      );
    },
    async scan(start, limit) {
      const keys = await client.zRange(order, `[${start}`, "+", {
        BY: "LEX",
        LIMIT: { offset: 0, count: limit },
      });
      const values = await client.mGet(keys);
      return values.filter((value) => value !== null).length;
    },
    close: () => client.destroy(),
  };
}
