/** What programs do by mistake. */

import { type BatchStep, KvClient, type PutOptions } from "kvlab";
import { collect, equal, failure, ok } from "../expect.ts";
import type { ContractCase } from "./contract-case.ts";

/** A program without types can give anything. */
function untyped<T>(given: unknown): T {
  return given as T;
}

export const mistakeCases: readonly ContractCase[] = [
  {
    title: "what is put is what was there at the call, whatever happens to the buffer afterwards",
    async run(kv, { prefix }) {
      const buffer = new Uint8Array(1);
      const keys = Array.from({ length: 200 }, (_, i) => `${prefix}${i}`);
      const puts = keys.map((key, i) => {
        buffer[0] = i;
        return kv.put(key, buffer);
      });
      const step = { put: `${prefix}batch`, value: buffer };
      const steps = [step];
      const batch = kv.batch(steps);
      step.put = `${prefix}other`;
      steps.push({ put: `${prefix}later`, value: buffer });
      // Larger than what shares a message with others.
      const large = new Uint8Array(300_000).fill(1);
      const largePut = kv.put(`${prefix}large`, large);
      buffer.fill(255);
      large.fill(255);
      await Promise.all([...puts, batch, largePut]);
      const entries = await Promise.all(keys.map((key) => kv.get(key)));
      equal(
        entries.map((entry) => entry?.bytes()[0]),
        keys.map((_, i) => i),
      );
      equal((await kv.get(`${prefix}batch`))?.bytes()[0], 199);
      equal(
        (await kv.get(`${prefix}large`))?.bytes().every((byte) => byte === 1),
        true,
      );
      equal([await kv.get(`${prefix}other`), await kv.get(`${prefix}later`)], [undefined, undefined]);
    },
  },
  {
    title: "options are those of the call, whatever happens to their object afterwards",
    async run(kv, { prefix }) {
      await kv.put(prefix, "first");
      const options: { ifAbsent?: boolean; ttlMs?: number } = { ifAbsent: true };
      const refused = kv.put(prefix, "second", options);
      options.ifAbsent = false;
      options.ttlMs = 1;
      await failure(refused, "condition-failed");
      const naming = { requestId: "" };
      const batches = ["1", "2"].map((number) => {
        naming.requestId = `batch-${prefix.replace(/\W/g, "_")}-${number}`;
        return kv.batch([{ put: `{${prefix}}${number}`, value: number }], naming);
      });
      await Promise.all(batches);
      equal(
        (await collect(kv.scan({ prefix: `{${prefix}}` }))).length,
        2,
        "number of batches that were applied",
      );
      const range = { prefix, limit: 1 };
      const scan = kv.scan(range);
      range.prefix = "nothing begins so";
      equal(
        (await collect(scan)).map(({ key, value }) => [key, value]),
        [[prefix, "first"]],
      );
    },
  },
  {
    title: "the bytes that are handed out are nobody else's",
    async run(kv, { prefix }) {
      for (const i of [1, 2]) await kv.put(`${prefix}${i}`, new Uint8Array(100).fill(i));
      const got = await Promise.all([kv.get(`${prefix}1`), kv.get(`${prefix}1`), kv.get(`${prefix}2`)]);
      const scanned = await collect(kv.scan({ prefix }));
      const entries = [...got, ...scanned].map((entry) => entry?.bytes() ?? new Uint8Array());
      for (const bytes of entries) {
        equal([bytes.constructor.name, bytes.length, bytes.buffer.byteLength], ["Uint8Array", 100, 100]);
      }
      entries.forEach((bytes, i) => {
        bytes.fill(100 + i);
      });
      equal(
        entries.map((bytes) => bytes[50]),
        entries.map((_, i) => 100 + i),
      );
      equal((await kv.get(`${prefix}1`))?.bytes()[50], 1);
    },
  },
  {
    title: "an option that is not known, or of another type, is refused and nothing is done",
    async run(kv, { prefix }) {
      await kv.put(prefix, "first");
      const wrong: [unknown, string][] = [
        [{ ifAbsnt: true }, '"ifAbsnt"'],
        [{ ttl: "5s" }, '"ttl"'],
        [{ ifAbsent: "yes" }, 'ifAbsent is "yes"; it must be true or false'],
        [{ ifRevision: "7" }, 'ifRevision is "7"; it must be a revision'],
        [{ ttlMs: null }, "ttlMs is null"],
        [{ signal: new AbortController() }, "signal is an object; it must be an AbortSignal"],
        [{ deadlineMs: "100" }, "deadlineMs is"],
        [5_000, "the options of the call are 5000"],
        [null, "the options of the call are null"],
      ];
      for (const [options, says] of wrong) {
        const { message } = await failure(kv.put(prefix, "second", untyped<PutOptions>(options)), "invalid");
        ok(message.includes(says), `it says: ${message}`);
      }
      const steps: [unknown, string][] = [
        [{ put: prefix, value: "2", ifabsent: true }, 'step 1 of the batch has the option "ifabsent"'],
        [{ put: prefix, value: "2", delete: prefix }, '"delete"'],
        [{ delete: prefix, ifAbsent: true }, '"ifAbsent"'],
        [{ compare: prefix, ifPresent: true, value: "2" }, '"value"'],
        [undefined, "step 1 of the batch"],
      ];
      for (const [step, says] of steps) {
        const { message } = await failure(kv.batch([untyped<BatchStep>(step)]), "invalid");
        ok(message.includes(says), `it says: ${message}`);
      }
      await failure(kv.delete(prefix, untyped({ ifAbsent: true })), "invalid");
      await failure(kv.get(prefix, untyped({ timeoutMs: 5 })), "invalid");
      await failure(() => collect(kv.scan(untyped(prefix))), "invalid");
      await failure(() => collect(kv.scan(untyped({ prefx: prefix }))), "invalid");
      await failure(() => collect(kv.watch(untyped({ keys: [prefix] }))), "invalid");
      for (const options of [{ router: "a:1" }, { routers: "a:1", timeout: 5 }, "a:1", { routers: [1] }]) {
        await failure(async () => new KvClient(untyped(options)), "invalid");
      }
      equal((await kv.get(prefix))?.value, "first");
    },
  },
];
