import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextValues,
  createHandlerContext,
  createRouterTransport,
} from "@connectrpc/connect";
import { DataService, type ScanResponseSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import { Servers } from "../../../src/client/servers.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import { toConnectError } from "../../../src/rpc/errors.ts";
import { forwardedStreamHandlers } from "../../../src/rpc/forwarding/forwarded-streams.ts";
import { addressOf } from "../../support/address.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { OneGroup } from "./one-group.ts";

type Answers = AsyncIterable<MessageInitShape<typeof ScanResponseSchema>>;

/** A scan of the only group through a router. `node` answers it, whichever address is asked. */
function scanThrough(source: OneGroup, node: (address: string) => Answers) {
  const clock = new VirtualClock();
  const transportTo = (address: string) =>
    createRouterTransport(({ service }) => service(DataService, { scan: () => node(address) }));
  const limits = { operationsMax: 1, bytesMax: 1 };
  const servers = new Servers({ connections: { transportTo, close() {} }, limits, clock });
  const { scan } = forwardedStreamHandlers(source, clock, (address) => servers.at(address));
  const context = createHandlerContext({
    service: DataService,
    method: DataService.method.scan,
    protocolName: "connect",
    requestMethod: "POST",
    url: "http://localhost/",
    contextValues: createContextValues(),
  });
  const request = create(DataService.method.scan.input, { group: "g" });
  const read = async () => {
    const keys: string[] = [];
    for await (const { items } of scan(request, context))
      for (const { key } of items ?? []) keys.push(key ?? "");
    return keys;
  };
  return { clock, read };
}

async function* keysOf(...keys: string[]): Answers {
  for (const key of keys) yield { items: [{ key }] };
}

async function* failing(error: ConnectError, ...keys: string[]): Answers {
  yield* keysOf(...keys);
  throw error;
}

test("a stream of a group that fails before its first answer is opened again at whoever is primary then", async () => {
  const source = new OneGroup();
  source.primary("old:1");
  const owner = { group: "g", address: addressOf("new:1"), ringVersion: 1 };
  const failures = [
    toConnectError(new OperationError("unavailable", "the new primary is still taking over")),
    new ConnectError("the connection broke", Code.Unavailable),
    toConnectError(new OperationError("wrong-node", "not here", { owner })),
  ];
  const { clock, read } = scanThrough(source, (address) => {
    const failure = failures.shift();
    if (failure === undefined) return keysOf(address, "b");
    if (failures.length === 0) source.primary("new:1");
    return failing(failure);
  });
  assert.deepEqual(await clock.settled(read()), ["new:1", "b"]);
});

test("a stream of a group that fails after an answer, or for good, is not opened again", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  for (const [code, keys] of [
    [Code.Unavailable, ["a"]],
    [Code.ResourceExhausted, []],
    [Code.InvalidArgument, []],
  ] as const) {
    let opened = 0;
    const { clock, read } = scanThrough(source, () => {
      opened++;
      return failing(new ConnectError("no", code), ...keys);
    });
    await assert.rejects(clock.settled(read()), { code });
    assert.equal(opened, 1);
  }
});

test("a stream of a group that nobody answers fails with what the primary says, after ten seconds", async () => {
  const source = new OneGroup();
  source.primary("a:1");
  const { clock, read } = scanThrough(source, () => failing(new ConnectError("not now", Code.Unavailable)));
  await assert.rejects(clock.settled(read()), /not now/);
  assert.equal(Math.round(clock.monotonicMs() / 1000), 10);
});
