import { collect, equal, failure, ok } from "../expect.ts";
import type { ContractCase } from "./contract-case.ts";

export const watchCases: readonly ContractCase[] = [
  {
    title: "a watch tells puts and deletes of the keys that it is of, and nothing else",
    async run(kv, { prefix }) {
      const [one, other] = [`${prefix}one`, `${prefix}other`];
      const ofKey = kv.watch({ key: one, previous: true });
      const ofPrefix = kv.watch({ prefix });
      await Promise.all([ofKey.ready(), ofPrefix.ready()]);
      await kv.put(`~${prefix}`, "outside");
      await kv.put(other, "x");
      const { revision: first } = await kv.put(one, "1");
      const { revision: second } = await kv.put(one, new Uint8Array([2]));
      await kv.delete(one);

      const events = await collect(ofKey, 3);
      equal(
        events.map((event) => [event.type, event.key, event.type === "put" ? event.value : undefined]),
        [
          ["put", one, "1"],
          ["put", one, new Uint8Array([2])],
          ["delete", one, undefined],
        ],
      );
      equal(events[0]?.revision, first);
      equal(
        events.map(({ previous }) => previous),
        [undefined, { value: "1", revision: first }, { value: new Uint8Array([2]), revision: second }],
      );
      const seen = await collect(ofPrefix, 4);
      equal(seen.filter(({ key }) => key === other).length, 1, "number of events of the other key");
      equal(
        seen.filter(({ key }) => key === one).map(({ revision }) => revision),
        [...events.map(({ revision }) => revision)],
      );
    },
  },
  {
    title: "a watch goes on exactly after the token of the last event that was read",
    async run(kv, { prefix }) {
      const keys = Array.from({ length: 30 }, (_, i) => `${prefix}${i}`);
      const watch = kv.watch({ prefix });
      await watch.ready();
      for (const key of keys) await kv.put(key, key);
      const seen: string[] = [];
      let after: string | undefined;
      for await (const event of watch) {
        seen.push(event.key);
        after = event.token;
        if (seen.length === 10) break;
      }
      while (seen.length < keys.length) {
        // Each time another one takes over where the last has stopped.
        const events = await collect(kv.watch({ prefix, after }), 4);
        seen.push(...events.map(({ key }) => key));
        after = events.at(-1)?.token;
        if (seen.length + 4 > keys.length) await kv.put(`${prefix}more`, "");
      }
      equal(seen.filter((key) => !key.endsWith("more")).sort(), [...keys].sort(), "keys that were told");
    },
  },
  {
    title: "a batch is told as a whole, again if a watch stopped within it",
    async run(kv, { prefix }) {
      const [a, b, c] = [`{${prefix}}a`, `{${prefix}}b`, `{${prefix}}c`];
      const watch = kv.watch({ prefix: `{${prefix}}` });
      await watch.ready();
      await kv.put(a, "0");
      const { revision } = await kv.batch([
        { put: a, value: "1" },
        { put: b, value: "1" },
      ]);
      await kv.put(c, "2");
      const events = await collect(watch, 4);
      equal(
        events.map(({ key }) => key),
        [a, a, b, c],
      );
      equal([events[1]?.revision, events[2]?.revision], [revision, revision]);
      const again = await collect(kv.watch({ prefix: `{${prefix}}`, after: events[1]?.token }), 3);
      equal(
        again.map(({ key }) => key),
        [a, b, c],
      );
      const rest = await collect(kv.watch({ prefix: `{${prefix}}`, after: events[2]?.token }), 1);
      equal(
        rest.map(({ key }) => key),
        [c],
      );
    },
  },
  {
    title: "marks of progress have a token to go on from",
    async run(kv, { prefix }) {
      const [mark] = await collect(kv.watch({ prefix, progress: true }), 1);
      ok(mark?.type === "progress", "the first thing told is no mark of progress");
      await kv.put(prefix, "later");
      const [event] = await collect(kv.watch({ prefix, after: mark.token }), 1);
      equal(event?.key, prefix);
    },
  },
  {
    title: "a watcher that reads slowly misses nothing",
    async run(kv, { prefix, open }) {
      const slow = open();
      const watch = slow.watch({ prefix });
      await watch.ready();
      const value = "v".repeat(20_000);
      const count = 200;
      await Promise.all(Array.from({ length: count }, (_, i) => kv.put(`${prefix}${i}`, value + i)));
      await kv.put(`${prefix}0`, "last");
      const events = await collect(watch, count + 1);
      slow.close();
      equal(new Set(events.map(({ key }) => key)).size, count, "number of keys that were told");
      const of0 = events.filter(({ key }) => key === `${prefix}0`);
      equal(
        of0.map((event) => event.type === "put" && event.text().slice(-4)),
        ["vvv0", "last"],
      );
    },
  },
  {
    title: "a watch that nobody reads holds up no other call of its client",
    async run(kv, { prefix }) {
      const watch = kv.watch({ prefix });
      await watch.ready();
      const value = "v".repeat(20_000);
      const options = { deadlineMs: 5_000 };
      await Promise.all(Array.from({ length: 200 }, (_, i) => kv.put(`${prefix}${i}`, value, options)));
      for (let i = 0; i < 20; i++) await kv.put(`${prefix}${i}`, "small", options);
      await watch[Symbol.asyncIterator]().return?.();
    },
  },
  {
    title: "what is no token is refused",
    async run(kv) {
      for (const after of ["", "nonsense", "WzJd", "W10"]) {
        await failure(() => collect(kv.watch({ after }), 1), "invalid");
      }
    },
  },
];
