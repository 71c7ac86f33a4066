import { KvClient } from "../../../src/client/index.ts";
import type { Store } from "./store.ts";

export function kvlabStore(router: string): Store {
  const client = new KvClient({ routers: router, deadlineMs: 60_000 });
  return {
    async put(key, value) {
      await client.put(key, value);
    },
    async get(key) {
      return (await client.get(key))?.text();
    },
    async delete(key) {
      return (await client.delete(key)) !== undefined;
    },
    async batch(pairs) {
      await client.batch(pairs.map(([key, value]) => ({ put: key, value })));
    },
    async index() {},
    async scan(start, limit) {
      let found = 0;
      for await (const _ of client.scan({ start, limit })) found++;
      return found;
    },
    close: () => client.close(),
  };
}
