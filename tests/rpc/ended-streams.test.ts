import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

// Streams that last until the caller ends them: whoever reads one to its end must not believe that nothing comes any more.

const cluster = await startEmbeddedCluster();
const transports = createTransports();
after(() => transports.close());

const router = transports.transportTo(cluster.routers[0]?.address ?? "");
const { group, address } = await createClient(RouterService, router).locate({ key: "a" });
const node = transports.transportTo(address);

type Options = { readonly headers?: Record<string, string> };

const streams: Record<string, (options: Options) => AsyncIterable<unknown>> = {
  "a watch at a data node": (options) => createClient(DataService, node).watch({ group }, options),
  "a watch of a group through a router": (options) =>
    createClient(DataService, router).watch({ group }, options),
  "a watch of all groups": (options) => createClient(DataService, router).watch({}, options),
  "a watch of the topology": (options) => createClient(RouterService, router).watchTopology({}, options),
};

/** Reads a stream to its end. */
async function read(stream: AsyncIterable<unknown>, onAnswer = () => {}): Promise<string> {
  try {
    for await (const _ of stream) onAnswer();
    return "OK";
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? "";
  }
}

test("a watch whose time is over says so", async () => {
  // The header alone: the time is the server's to keep.
  const headers = { "connect-timeout-ms": "200" };
  for (const [name, open] of Object.entries(streams)) {
    assert.equal(await read(open({ headers })), "DeadlineExceeded", name);
  }
});

test("a watch at a server that stops says so", async () => {
  const opened = Object.entries(streams).map(([name, open]) => {
    const begun = Promise.withResolvers<void>();
    return { name, begun: begun.promise, end: read(open({}), begun.resolve) };
  });
  await Promise.all(opened.map(({ begun }) => begun));
  await cluster.close();
  for (const { name, end } of opened) assert.equal(await end, "Unavailable", name);
});
