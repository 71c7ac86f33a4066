import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import {
  ringVersions,
  startToyNode,
  type ToyNode,
  transportNames,
  transportsTo,
} from "../../support/toy-node.ts";

const timeout = 60_000;

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31) % 251);
}

describe("one port", () => {
  let node: ToyNode;
  let transports: Record<string, Transport>;
  before(async () => {
    node = await startToyNode();
    transports = transportsTo(node.baseUrl);
  });
  after(async () => {
    await node.close();
  });

  function clientsOver(name: string) {
    const transport = transports[name];
    assert.ok(transport);
    return { data: createClient(DataService, transport), router: createClient(RouterService, transport) };
  }

  for (const name of transportNames) {
    describe(`serves ${name}`, () => {
      it("answers calls and passes errors on with their code", async () => {
        const { data } = clientsOver(name);
        await data.put({ key: name, value: { case: "text", value: "hällo" } });
        const { value, revision } = await data.get({ key: name });
        assert.deepEqual([value.case, value.value, revision], ["text", "hällo", 1n]);
        const error = await data.get({ key: "none" }).catch(ConnectError.from);
        assert.ok(error instanceof ConnectError);
        assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "no key none"]);
      });

      it("keeps a connection for many calls", { timeout }, async () => {
        const { data } = clientsOver(name);
        await data.put({ key: name, value: { case: "text", value: "again" } });
        for (let i = 0; i < 200; i++) {
          const { value } = await data.get({ key: name });
          assert.equal(value.value, "again");
        }
      });

      it("carries 64 KiB, 100 kB and 4 MiB in both directions", { timeout }, async () => {
        const { data } = clientsOver(name);
        for (const size of [65_535, 65_536, 65_537, 100_000, 4 * 1_024 * 1_024]) {
          const value = bytes(size);
          await data.put({ key: name, value: { case: "bytes", value } });
          const answer = await data.get({ key: name });
          assert.ok(answer.value.case === "bytes");
          assert.equal(Buffer.compare(answer.value.value, value), 0);
        }
      });

      it("takes 20 calls of 2 MB at once", { timeout }, async () => {
        const { data } = clientsOver(name);
        const value = bytes(2_000_000);
        const keys = Array.from({ length: 20 }, (_, i) => `${name} ${i}`);
        await Promise.all(keys.map((key) => data.put({ key, value: { case: "bytes", value } })));
        const answers = await Promise.all(keys.map((key) => data.get({ key })));
        for (const answer of answers) {
          assert.ok(answer.value.case === "bytes");
          assert.equal(Buffer.compare(answer.value.value, value), 0);
        }
      });

      it("takes 500 calls at once", { timeout }, async () => {
        const { data } = clientsOver(name);
        await data.put({ key: name, value: { case: "text", value: "many" } });
        const answers = await Promise.all(Array.from({ length: 500 }, () => data.get({ key: name })));
        assert.ok(answers.every(({ value }) => value.value === "many"));
      });

      it("streams, an empty message included, and ends the stream", { timeout }, async () => {
        const { router } = clientsOver(name);
        for (let i = 0; i < 20; i++) {
          const answers = await collect(router.watchTopology({}));
          assert.deepEqual(ringVersions(answers), [1n, 2n, undefined]);
        }
      });
    });
  }

  it("answers a Connect GET", async () => {
    await clientsOver("Connect over HTTP/2").data.put({ key: "é", value: { case: "text", value: "got" } });
    const message = encodeURIComponent(JSON.stringify({ key: "é" }));
    const url = `${node.baseUrl}/kvlab.v1.DataService/Get?connect=v1&encoding=json&message=${message}`;
    const response = await fetch(url);
    assert.deepEqual(await response.json(), { text: "got", revision: "1" });
  });

  it("lets no cache between it and its caller answer a GET", async () => {
    const { data } = clientsOver("Connect over HTTP/2");
    await data.put({ key: "cached", value: { case: "text", value: "1" } });
    for (const key of ["cached", "not there"]) {
      const message = encodeURIComponent(JSON.stringify({ key }));
      const response = await fetch(
        `${node.baseUrl}/kvlab.v1.DataService/Get?connect=v1&encoding=json&message=${message}`,
      );
      await response.body?.cancel();
      assert.equal(response.headers.get("cache-control"), "no-store", key);
    }
  });

  it("answers fetch with JSON, many times on one connection", async () => {
    for (let i = 0; i < 50; i++) {
      const response = await fetch(`${node.baseUrl}/kvlab.v1.DataService/Put`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ key: "json", text: "x".repeat(i * 1_000) }),
      });
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { revision: "1" });
    }
  });
});

describe("listening", () => {
  it("on a taken port is refused with the setting, its value and what is allowed", async () => {
    const node = await startToyNode();
    try {
      await assert.rejects(startToyNode({ port: node.port }), {
        name: "ListenError",
        message: `serverport ${node.port}: taken on 127.0.0.1; allowed is any free port, 1 to 65535`,
      });
    } finally {
      await node.close();
    }
  });

  it("on an address of another machine is refused likewise", async () => {
    await assert.rejects(startToyNode({ host: "192.0.2.1" }), {
      name: "ListenError",
      message: /^serverip 192\.0\.2\.1: no address of this machine; allowed is /,
    });
  });

  it("on what is no port is refused likewise", async () => {
    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      await assert.rejects(startToyNode({ port }), {
        name: "ListenError",
        message: `serverport ${port}: no port; allowed is 1 to 65535, or 0 for any that is free`,
      });
    }
  });

  it("on what is no address is refused likewise", async () => {
    await assert.rejects(startToyNode({ host: "no such host" }), {
      name: "ListenError",
      message: /^serverip no such host: no address of this machine; allowed is /,
    });
  });
});
