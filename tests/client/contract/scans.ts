import { collect, equal, failure, ok } from "../expect.ts";
import type { ContractCase } from "./contract-case.ts";

export const scanCases: readonly ContractCase[] = [
  {
    title: "a scan has the keys of all groups in the order of their UTF-8 bytes",
    async run(kv, { prefix }) {
      // In UTF-16 the last two would be the other way round.
      const ends = ["", "!", "a", "ab", "b", "z", "é", "ключ", "\ud7ff", "\ue000", "\uffff", "\u{10000}"];
      await Promise.all(ends.map((end) => kv.put(prefix + end, end)));
      const entries = await collect(kv.scan({ prefix }));
      equal(
        entries.map(({ key, value }) => [key, value]),
        ends.map((end) => [prefix + end, end]),
      );
      const reversed = await collect(kv.scan({ prefix, reverse: true }));
      equal(
        reversed.map(({ key }) => key),
        ends.map((end) => prefix + end).reverse(),
      );
    },
  },
  {
    title: "a scan has the keys of a range, as many as asked for, and goes on after the last",
    async run(kv, { prefix }) {
      const key = (i: number) => `${prefix}${String(i).padStart(3, "0")}`;
      const all = Array.from({ length: 300 }, (_, i) => key(i));
      await Promise.all(all.map((each) => kv.put(each, each)));
      const keysOf = async (options: Parameters<typeof kv.scan>[0]) =>
        (await collect(kv.scan({ ...options, keysOnly: true }))).map((entry) => entry.key);

      equal(await keysOf({ start: key(10), end: key(20) }), all.slice(10, 20));
      equal(await keysOf({ prefix, limit: 7 }), all.slice(0, 7));
      equal(await keysOf({ prefix, after: key(6), limit: 7 }), all.slice(7, 14));
      equal(await keysOf({ prefix, after: key(5), reverse: true }), all.slice(0, 5).reverse());
      equal(await keysOf({ prefix, start: key(290) }), all.slice(290));
      equal(await keysOf({ prefix: `${prefix}x` }), []);
      await failure(() => collect(kv.scan({ limit: 0 })), "invalid");
    },
  },
  {
    title: "a scan of keys only has no values, but revisions and what is left of the time to live",
    async run(kv, { prefix }) {
      const { revision } = await kv.put(prefix, "value", { ttlMs: 60_000 });
      const [found] = await collect(kv.scan({ prefix, keysOnly: true }));
      ok(found !== undefined && !("value" in found), "there is a value");
      equal([found.key, found.revision], [prefix, revision]);
      ok((found.ttlLeftMs ?? 0) > 0, "the time to live is lost");
    },
  },
  {
    title: "a scan of megabytes passes, read as slowly as one likes",
    async run(kv, { prefix }) {
      const value = "v".repeat(100_000);
      const keys = Array.from({ length: 60 }, (_, i) => `${prefix}${i}`);
      await Promise.all(keys.map((key) => kv.put(key, value)));
      let count = 0;
      for await (const entry of kv.scan({ prefix })) {
        equal(entry.value === value, true, `value of ${entry.key}`);
        // Takes part in other work between two keys.
        if (count++ % 10 === 0) await kv.get(entry.key);
      }
      equal(count, keys.length, "number of keys");
    },
  },
  {
    title: "a watch after a scan tells every change since the scan",
    async run(kv, { prefix }) {
      await kv.put(`${prefix}1`, "before");
      const scan = kv.scan({ prefix });
      equal(scan.watchToken, undefined);
      equal((await collect(scan)).length, 1, "number of keys");
      const after = scan.watchToken;
      ok(after !== undefined, "the scan has no token for a watch");
      await kv.put(`${prefix}1`, "after");
      await kv.put(`${prefix}2`, "after");
      await kv.delete(`${prefix}1`);
      const events = await collect(kv.watch({ prefix, after }), 3);
      const of1 = events.filter(({ key }) => key === `${prefix}1`).map(({ type }) => type);
      equal(of1, ["put", "delete"]);
      equal(events.filter(({ key }) => key === `${prefix}2`).length, 1, "number of events of the other key");
    },
  },
];
