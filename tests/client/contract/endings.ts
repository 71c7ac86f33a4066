import { KvClient } from "kvlab";
import { collect, equal, failure, ok } from "../expect.ts";
import type { ContractCase } from "./contract-case.ts";

export const endingCases: readonly ContractCase[] = [
  {
    title: "arguments that cannot be right are refused, each with its name and what is allowed",
    async run(kv, { prefix }) {
      const transferred = new Uint8Array(8);
      structuredClone(transferred, { transfer: [transferred.buffer] });
      const wrong = [
        () => kv.get("k".repeat(4_097)),
        () => kv.get("\ud800"),
        () => kv.put(prefix, "\udc00"),
        () => kv.put(prefix, "", { ttlMs: 0 }),
        () => kv.put(prefix, "", { ttlMs: 1.5 }),
        () => kv.put(prefix, "", { ifRevision: 0 }),
        () => kv.put(prefix, "", { ifAbsent: true, ifRevision: 1 }),
        () => kv.get(prefix, { deadlineMs: 0 }),
        () => collect(kv.scan({ prefix: "\ud800" })),
        () => kv.put(prefix, transferred),
      ];
      const messages = await Promise.all(wrong.map(async (call) => (await failure(call, "invalid")).message));
      ok(messages[0]?.includes("4097") && messages[0].includes("4096"), `it says: ${messages[0]}`);
      ok(messages[3]?.includes("ttlMs is 0"), `it says: ${messages[3]}`);
      for (const routers of [[], ["ftp://x"], ["http://"]]) {
        await failure(async () => new KvClient({ routers }), "invalid");
      }
    },
  },
  {
    title: "a value over the server's limit is refused, and spoils nothing else",
    async run(kv, { prefix }) {
      const others = Array.from({ length: 20 }, (_, i) => kv.put(`${prefix}${i}`, "small"));
      await failure(kv.put(prefix, new Uint8Array(5 * 1024 * 1024)), "invalid");
      await Promise.all(others);
      equal(await kv.get(prefix), undefined);
    },
  },
  {
    title: "an aborted call fails at once, with the signal's reason as its cause",
    async run(kv, { prefix }) {
      const reason = new Error("enough");
      const before = await failure(kv.get(prefix, { signal: AbortSignal.abort(reason) }), "aborted");
      equal(before.cause === reason, true, "reason");

      const controller = new AbortController();
      const watch = collect(kv.watch({ prefix, signal: controller.signal }));
      const scan = kv.scan({ signal: controller.signal })[Symbol.asyncIterator]();
      controller.abort(reason);
      equal((await failure(watch, "aborted")).cause === reason, true, "reason");
      await failure(scan.next(), "aborted");
    },
  },
  {
    title: "an aborted call fails with aborted, also if the reason is the error of another call",
    async run(kv, { prefix }) {
      await kv.put(prefix, "1");
      const reason = await failure(kv.put(prefix, "2", { ifAbsent: true }), "condition-failed");
      const controller = new AbortController();
      const { signal } = controller;
      const put = failure(kv.put(prefix, "3", { signal }), "aborted");
      const scanning = failure(collect(kv.scan({ prefix, signal })), "aborted");
      const watching = failure(collect(kv.watch({ prefix, signal })), "aborted");
      controller.abort(reason);
      for (const error of await Promise.all([put, scanning, watching])) {
        equal([error.cause === reason, error.key], [true, undefined], "reason");
      }
    },
  },
  {
    title: "a call fails when its deadline passes, and a write then says what is known of it",
    async run(_kv, { open, prefix }) {
      // Nobody answers at port 9.
      const nowhere = open({ routers: ["http://127.0.0.1:9"], deadlineMs: 300 });
      await failure(nowhere.get(prefix), "unavailable");
      await failure(nowhere.put(prefix, ""), "unavailable");
      await failure(collect(nowhere.scan()), "unavailable");
      await failure(collect(nowhere.watch()), "unavailable");
      nowhere.close();
    },
  },
  {
    title: "a closed client ends all that it does, and does nothing more",
    async run(_kv, { open, prefix }) {
      const kv = open();
      const watch = kv.watch({ prefix });
      await watch.ready();
      const reading = collect(watch);
      kv.close();
      await failure(reading, "closed");
      await failure(kv.get(prefix), "closed");
      await failure(collect(kv.scan()), "closed");
      await failure(collect(kv.watch()), "closed");
      await failure(kv.watch().ready(), "closed");
      kv.close();
    },
  },
  {
    title: "a scan and a watch that are left end, and the client goes on",
    async run(kv, { prefix }) {
      for (let i = 0; i < 20; i++) await kv.put(`${prefix}${i}`, "");
      for (let i = 0; i < 20; i++) await collect(kv.scan({ prefix }), 1);
      for (let i = 0; i < 20; i++) {
        const watch = kv.watch({ prefix });
        await watch.ready();
        await watch[Symbol.asyncIterator]().return?.();
      }
      equal((await collect(kv.scan({ prefix }))).length, 20, "number of keys");
    },
  },
];
