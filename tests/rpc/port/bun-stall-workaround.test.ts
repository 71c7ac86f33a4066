import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { listen } from "../../../src/rpc/port/listener.ts";

/** So long that no PING comes to the rescue. */
const pingIntervalMs = 3_600_000;
const messages = 64;
const value = { case: "bytes" as const, value: new Uint8Array(64 * 1024) };

const origin = await listen({
  host: "127.0.0.1",
  port: 0,
  pingIntervalMs,
  routes: (router) =>
    router.service(DataService, {
      async *scan() {
        for (let index = 0; index < messages; index++) yield { items: [{ key: String(index), value }] };
      },
    }),
});
const transports = createTransports({ pingIntervalMs });
/** Passes on what the origin sends, as a router does: what it has to send comes piece by piece. */
const relay = await listen({
  host: "127.0.0.1",
  port: 0,
  pingIntervalMs,
  routes: (router) =>
    router.service(DataService, {
      async *scan(request, { signal }) {
        yield* clientAt(origin.port).scan(request, { signal });
      },
    }),
});
after(async () => {
  transports.close();
  await Promise.all([relay.close(), origin.close()]);
});

function clientAt(port: number) {
  return createClient(DataService, transports.transportTo(`127.0.0.1:${port}`));
}

test("streams of one connection that are read by turns all get on, however much they have to send", {
  timeout: 60_000,
}, async () => {
  const readers = Array.from({ length: 3 }, () => clientAt(relay.port).scan({})[Symbol.asyncIterator]());
  const counts = readers.map(() => 0);
  // Each is left alone until it waits for its window.
  while (counts.some((count) => count < messages)) {
    for (const [index, reader] of readers.entries()) {
      for (let count = 0; count < 16; count++) {
        if (!(await reader.next()).done) counts[index] = (counts[index] ?? 0) + 1;
      }
    }
  }
  assert.deepEqual(
    counts,
    readers.map(() => messages),
  );
});
