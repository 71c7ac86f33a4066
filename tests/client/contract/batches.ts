import type { KvClient } from "kvlab";
import { equal, failure, ok } from "../expect.ts";
import type { ContractCase } from "./contract-case.ts";

export const batchCases: readonly ContractCase[] = [
  {
    title: "a batch does all of its writes, at one revision",
    async run(kv, { prefix }) {
      const [a, b, c] = [`{${prefix}}a`, `{${prefix}}b`, `{${prefix}}c`];
      const { revision: old } = await kv.put(c, "old");
      const { revision } = await kv.batch([
        { compare: c, ifRevision: old },
        { put: a, value: "1", ifAbsent: true },
        { put: b, value: new Uint8Array([2]), ttlMs: 60_000 },
        { delete: c },
      ]);
      equal((await kv.get(a))?.revision, revision);
      const entry = await kv.get(b);
      equal([entry?.value, entry?.revision], [new Uint8Array([2]), revision]);
      ok((entry?.ttlLeftMs ?? 0) > 0, "the time to live is lost");
      equal(await kv.get(c), undefined);
    },
  },
  {
    title: "a batch of which one condition does not hold does nothing, and names the key",
    async run(kv, { prefix }) {
      const [a, b] = [`{${prefix}}a`, `{${prefix}}b`];
      const { revision } = await kv.put(b, "old");
      const error = await failure(
        kv.batch([
          { put: a, value: "new" },
          { put: b, value: "new", ifRevision: revision + 1 },
        ]),
        "condition-failed",
      );
      equal([error.key, error.revision], [b, revision]);
      equal(await kv.get(a), undefined);
      equal((await kv.get(b))?.value, "old");
      await failure(kv.batch([{ compare: a, ifPresent: true }]), "condition-failed");
    },
  },
  {
    title: "a batch may only compare",
    async run(kv, { prefix }) {
      const { revision } = await kv.put(prefix, "1");
      const compared = await kv.batch([{ compare: prefix, ifRevision: revision }]);
      ok(compared.revision >= revision, "it held at an earlier revision than it is from");
    },
  },
  {
    title: "a batch that cannot be is refused before it is sent",
    async run(kv, { prefix }) {
      const [a, b] = await inTwoGroups(kv, prefix);
      const error = await failure(kv.batch([{ put: a, value: "" }, { delete: b }]), "invalid");
      ok(error.message.includes(a) && error.message.includes(b), `the keys are not named: ${error.message}`);
      await failure(kv.batch([]), "invalid");
      await failure(kv.batch([{ compare: a }]), "invalid");
      await failure(kv.batch(Array.from({ length: 1_001 }, (_, i) => ({ delete: `{x}${i}` }))), "invalid");
    },
  },
  {
    title: "a batch has up to 1,000 steps, and writes each key once",
    async run(kv, { prefix }) {
      const steps = Array.from({ length: 1_000 }, (_, i) => ({ put: `{${prefix}}${i}`, value: `${i}` }));
      const { revision } = await kv.batch(steps);
      equal((await kv.get(`{${prefix}}999`))?.revision, revision);
      await failure(kv.batch([{ put: prefix, value: "1" }, { delete: prefix }]), "invalid");
    },
  },
];

async function inTwoGroups(kv: KvClient, prefix: string): Promise<[string, string]> {
  const { group } = await kv.locate(prefix);
  for (let i = 0; ; i++) {
    const other = `${prefix}${i}`;
    if ((await kv.locate(other)).group !== group) return [prefix, other];
  }
}
