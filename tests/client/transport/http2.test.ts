import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { WrongNodeSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { createTransports, type Transports } from "../../../src/client/transport/http2.ts";
import { startToyNode, type ToyNode } from "../../support/toy-node.ts";

const timeout = 60_000;
const value = { case: "text", value: "a" } as const;

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  assert.ok(error !== undefined, "the call succeeded");
  return error;
}

describe("a transport", () => {
  let node: ToyNode;
  let transports: Transports;
  before(async () => {
    node = await startToyNode({
      async onPut({ key }, { signal }) {
        if (key === "wait") await new Promise((resolve) => signal.addEventListener("abort", resolve));
        if (key === "elsewhere") {
          const detail = { desc: WrongNodeSchema, value: { group: "g", address: "1.2.3.4:5" } };
          throw new ConnectError("wrong node", Code.FailedPrecondition, undefined, [detail]);
        }
      },
    });
    transports = createTransports();
  });
  after(async () => {
    transports.close();
    await node.close();
  });

  it("is the same for every way to write an address", () => {
    const transport = transports.transportTo(`127.0.0.1:${node.port}`);
    assert.equal(transports.transportTo(node.baseUrl), transport);
    assert.equal(transports.transportTo(new URL(node.baseUrl)), transport);
    assert.notEqual(transports.transportTo("127.0.0.1:1"), transport);
  });

  it("carries 4 MiB both ways, 20 times 2 MB at once, and 1,000 calls in a row", { timeout }, async () => {
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    const large = new Uint8Array(4 * 1_024 * 1_024).fill(7);
    await data.put({ key: "large", value: { case: "bytes", value: large } });
    const { value: back } = await data.get({ key: "large" });
    assert.ok(back.case === "bytes");
    assert.equal(Buffer.compare(back.value, large), 0);

    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    const twoMb = large.subarray(0, 2_000_000);
    await Promise.all(keys.map((key) => data.put({ key, value: { case: "bytes", value: twoMb } })));
    const answers = await Promise.all(keys.map((key) => data.get({ key })));
    assert.ok(answers.every(({ value: { value: got } }) => got?.length === twoMb.length));

    await data.put({ key: "small", value });
    for (let i = 0; i < 1_000; i++) assert.equal((await data.get({ key: "small" })).value.value, "a");
  });

  it("carries any number of empty messages on one connection", { timeout }, async () => {
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    await data.put({ key: "", value });
    const routers = createClient(RouterService, transports.transportTo(node.baseUrl));
    // Peers end a connection that has brought 1,000 frames which they take for invalid, such as empty ones.
    for (let i = 0; i < 1_100; i++) assert.equal((await data.get({ key: "" })).revision, 1n);
    for (let i = 0; i < 1_100; i++) assert.equal((await data.delete({ key: "a" })).revision, 0n);
    for (let i = 0; i < 1_100; i++) assert.equal((await routers.getTopology({})).topology, undefined);
  });

  it("takes more calls at once than the listener allows on a connection", { timeout }, async () => {
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    const keys = Array.from({ length: 2_500 }, (_, i) => `many ${i}`);
    await Promise.all(keys.map((key) => data.put({ key, value })));
    assert.ok(keys.every((key) => node.values.has(key)));
  });

  it("passes on what the peer says, with its details", async () => {
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    const missing = await errorOf(data.get({ key: "none" }));
    assert.deepEqual([missing.code, missing.rawMessage], [Code.NotFound, "no key none"]);
    const elsewhere = await errorOf(data.put({ key: "elsewhere", value }));
    assert.equal(elsewhere.code, Code.FailedPrecondition);
    assert.equal(elsewhere.findDetails(WrongNodeSchema)[0]?.address, "1.2.3.4:5");
  });

  it("leaves the caller's own deadlines and aborts what they are", async () => {
    const data = createClient(DataService, transports.transportTo(node.baseUrl));
    const late = await errorOf(data.put({ key: "wait", value }, { timeoutMs: 30 }));
    assert.equal(late.code, Code.DeadlineExceeded);
    const aborted = await errorOf(data.put({ key: "wait", value }, { signal: AbortSignal.timeout(30) }));
    assert.ok([Code.Canceled, Code.DeadlineExceeded].includes(aborted.code), aborted.message);
    const tooLarge = createTransports({ messageBytesMax: 1_000 });
    const limited = createClient(DataService, tooLarge.transportTo(node.baseUrl));
    const large = { case: "bytes", value: new Uint8Array(1_001) } as const;
    assert.equal((await errorOf(limited.put({ key: "a", value: large }))).code, Code.ResourceExhausted);
    tooLarge.close();
  });

  it("keeps no more sessions than it may, and forgets those not used for longest", { timeout }, async () => {
    const nodes = await Promise.all([1, 2, 3].map(() => startToyNode()));
    const few = createTransports({ sessionsMax: 2 });
    try {
      const [a, b, c] = nodes.map(({ baseUrl }) => few.transportTo(baseUrl));
      assert.ok(a && b && c);
      for (const transport of [a, b, c]) await createClient(DataService, transport).put({ key: "a", value });
      const again = nodes.map(({ baseUrl }) => few.transportTo(baseUrl));
      assert.notEqual(again[0], a);
      for (const transport of again) await createClient(DataService, transport).put({ key: "a", value });
    } finally {
      few.close();
      await Promise.all(nodes.map((each) => each.close()));
    }
  });

  it("ends its sessions and the calls on them when it is closed", { timeout }, async () => {
    const closing = createTransports();
    const data = createClient(DataService, closing.transportTo(node.baseUrl));
    await data.put({ key: "a", value });
    const call = errorOf(data.put({ key: "wait", value }));
    await data.put({ key: "a", value });
    closing.close();
    assert.equal((await call).code, Code.Unavailable);
  });
});
