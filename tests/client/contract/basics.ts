import { equal, failure, ok } from "../expect.ts";
import type { ContractCase } from "./contract-case.ts";

export const basicCases: readonly ContractCase[] = [
  {
    title: "a value comes back in the form in which it was put",
    async run(kv, { prefix }) {
      const values = ["", "text", "значение 😀", new Uint8Array(), new Uint8Array([0, 255, 10, 13])];
      for (const value of values) {
        await kv.put(prefix, value);
        const entry = await kv.get(prefix);
        equal(entry?.value, value);
      }
      await kv.put(prefix, new TextEncoder().encode("naïve"));
      equal((await kv.get(prefix))?.text(), "naïve");
      await kv.put(prefix, "naïve");
      equal((await kv.get(prefix))?.bytes(), new TextEncoder().encode("naïve"));
    },
  },
  {
    title: "a key is any text, up to 4 KiB of UTF-8",
    async run(kv, { prefix }) {
      const keys = [" ", "\n", "ключ 😀", "\u{10ffff}\ue000", "k".repeat(4096 - prefix.length)];
      for (const key of keys) await kv.put(prefix + key, key);
      for (const key of keys) equal((await kv.get(prefix + key))?.value, key);
    },
  },
  {
    title: "a key that does not exist is undefined, and deleting it does nothing",
    async run(kv, { prefix }) {
      equal(await kv.get(prefix), undefined);
      equal(await kv.delete(prefix), undefined);
    },
  },
  {
    title: "revisions of a key rise with every put and delete",
    async run(kv, { prefix }) {
      const first = await kv.put(prefix, "1");
      const second = await kv.put(prefix, "2");
      const deleted = await kv.delete(prefix);
      const third = await kv.put(prefix, "3");
      ok(first.revision < second.revision, "the second put has no higher revision");
      ok(deleted !== undefined && second.revision < deleted.revision, "the delete has no higher revision");
      ok(deleted.revision < third.revision, "the put after the delete has no higher revision");
      equal((await kv.get(prefix))?.revision, third.revision);
    },
  },
  {
    title: "a condition that does not hold refuses the write and tells how the key is",
    async run(kv, { prefix }) {
      const absent = await failure(kv.put(prefix, "x", { ifPresent: true }), "condition-failed");
      equal([absent.key, absent.revision], [prefix, undefined]);
      await failure(kv.delete(prefix, { ifPresent: true }), "condition-failed");

      const { revision } = await kv.put(prefix, "1", { ifAbsent: true });
      const present = await failure(kv.put(prefix, "x", { ifAbsent: true }), "condition-failed");
      equal([present.key, present.revision], [prefix, revision]);
      await failure(kv.put(prefix, "x", { ifRevision: revision + 1 }), "condition-failed");
      await failure(kv.delete(prefix, { ifRevision: revision + 1 }), "condition-failed");
      equal((await kv.get(prefix))?.value, "1");

      const next = await kv.put(prefix, "2", { ifRevision: revision });
      await kv.put(prefix, "3", { ifPresent: true });
      await failure(kv.delete(prefix, { ifRevision: next.revision }), "condition-failed");
      ok(await kv.delete(prefix, { ifPresent: true }), "the delete did nothing");
      equal(await kv.get(prefix), undefined);
    },
  },
  {
    title: "of many clients that each put if absent, one does",
    async run(kv, { prefix, open }) {
      const other = open();
      const tries = Array.from({ length: 20 }, (_, i) => {
        return (i % 2 ? kv : other).put(prefix, `${i}`, { ifAbsent: true }).then(
          () => i,
          () => undefined,
        );
      });
      const winners = (await Promise.all(tries)).filter((winner) => winner !== undefined);
      other.close();
      equal(winners.length, 1, "number of puts that were done");
      equal((await kv.get(prefix))?.value, `${winners[0]}`);
    },
  },
  {
    title: "a key with a time to live tells what is left, and goes",
    async run(kv, { prefix }) {
      await kv.put(prefix, "lasting", { ttlMs: 60_000 });
      const left = (await kv.get(prefix))?.ttlLeftMs ?? 0;
      ok(left > 0 && left <= 60_000, `${left} ms are left of 60,000`);
      await kv.put(prefix, "for ever");
      equal((await kv.get(prefix))?.ttlLeftMs, undefined);

      const watch = kv.watch({ key: prefix });
      await watch.ready();
      await kv.put(prefix, "short", { ttlMs: 200 });
      for await (const event of watch) if (event.type === "expire") break;
      equal(await kv.get(prefix), undefined);
    },
  },
  {
    title: "thousands of calls at once are each answered with what they asked for",
    async run(kv, { prefix }) {
      const keys = Array.from({ length: 2_000 }, (_, i) => `${prefix}${i}`);
      const revisions = await Promise.all(keys.map((key) => kv.put(key, `value of ${key}`)));
      const entries = await Promise.all(keys.map((key) => kv.get(key)));
      entries.forEach((entry, i) => {
        equal([entry?.key, entry?.value], [keys[i], `value of ${keys[i]}`]);
        equal(entry?.revision, revisions[i]?.revision);
      });
    },
  },
  {
    title: "large values pass, many at once",
    async run(kv, { prefix }) {
      const value = (i: number) => new Uint8Array(1_000_000).fill(i);
      const numbers = Array.from({ length: 8 }, (_, i) => i);
      await Promise.all(numbers.map((i) => kv.put(`${prefix}${i}`, value(i))));
      const entries = await Promise.all(numbers.map((i) => kv.get(`${prefix}${i}`)));
      entries.forEach((entry, i) => {
        const bytes = entry?.bytes() ?? new Uint8Array();
        ok(bytes.length === 1_000_000 && bytes.every((byte) => byte === i), `value ${i} is not what was put`);
      });
    },
  },
  {
    title: "every key has a place, whether or not it exists",
    async run(kv, { prefix }) {
      const { group, address } = await kv.locate(prefix);
      ok(group !== "" && /^.+:\d+$/.test(address ?? ""), `it is at ${address} in group ${group}`);
      equal((await kv.locate(`{${prefix}}a`)).group, (await kv.locate(`{${prefix}}b`)).group);
    },
  },
];
