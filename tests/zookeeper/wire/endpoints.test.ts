import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServerAddress } from "../../../src/zookeeper/wire/connect-string.ts";
import { createDiagnostics, type Failure } from "../../../src/zookeeper/wire/diagnostics.ts";
import { EndpointResolver, type NameService } from "../../../src/zookeeper/wire/endpoints.ts";
import { HostProvider } from "../../../src/zookeeper/wire/host-provider.ts";

const unreachable: Failure = { kind: "unreachable", detail: "refused" };
const never = new AbortController().signal;

/** A name service that knows what the test says now. */
function names(known: Record<string, readonly string[] | Error>): NameService {
  return {
    async addressesOf(host) {
      const found = known[host] ?? new Error(`no ${host}`);
      if (found instanceof Error) throw found;
      return found;
    },
    async serversOf(service) {
      const hosts = await this.addressesOf(service);
      return hosts.map((name, index) => ({ name, port: 2000 + index, priority: index }));
    },
  };
}

const server = (host: string): ServerAddress => ({ host, port: 1 });

async function addresses(resolver: EndpointResolver): Promise<string[]> {
  const { endpoints } = await resolver.resolve(1000);
  return endpoints.map(({ address, port }) => `${address}:${port}`);
}

describe("endpoints", () => {
  it("are all addresses of all names, each once", async () => {
    const known = { a: ["10.0.0.1", "10.0.0.2"], b: ["10.0.0.2", "fe80::1"] };
    const servers = [server("a"), server("b"), server("10.0.0.9")];
    const resolver = new EndpointResolver({ servers }, names(known));
    const expected = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.9:1", "fe80::1:1"];
    assert.deepEqual((await addresses(resolver)).toSorted(), expected);
  });

  // ZOOKEEPER-2184: clients stayed with the addresses of their start.
  it("are looked up anew each time, and stay while the name service fails", async () => {
    const known: Record<string, readonly string[] | Error> = { a: ["10.0.0.1"] };
    const resolver = new EndpointResolver({ servers: [server("a")] }, names(known));
    assert.deepEqual(await addresses(resolver), ["10.0.0.1:1"]);
    known.a = ["10.0.0.2"];
    assert.deepEqual(await addresses(resolver), ["10.0.0.2:1"]);
    known.a = new Error("no answer");
    assert.deepEqual(await addresses(resolver), ["10.0.0.2:1"]);
    known.a = ["10.0.0.3"];
    assert.deepEqual(await addresses(resolver), ["10.0.0.3:1"]);
  });

  it("leave out a name that means nothing, and say so", async () => {
    const resolver = new EndpointResolver(
      { servers: [server("a"), server("b")] },
      names({ a: ["10.0.0.1"] }),
    );
    const { endpoints, failures } = await resolver.resolve(1000);
    assert.deepEqual(
      endpoints.map(({ host }) => host),
      ["a"],
    );
    assert.deepEqual([...failures], [["b:1", { kind: "unreachable", detail: "no b" }]]);
  });

  it("are those of SRV records, in the order of their priorities", async () => {
    const known: Record<string, readonly string[] | Error> = {
      "_zookeeper._tcp.example.org": ["a", "b"],
      a: ["10.0.0.1"],
      b: ["10.0.0.2"],
    };
    const resolver = new EndpointResolver({ service: "_zookeeper._tcp.example.org" }, names(known));
    assert.deepEqual(await addresses(resolver), ["10.0.0.1:2000", "10.0.0.2:2001"]);
    known["_zookeeper._tcp.example.org"] = ["b"];
    assert.deepEqual(await addresses(resolver), ["10.0.0.2:2000"]);
    known["_zookeeper._tcp.example.org"] = new Error("no answer");
    assert.deepEqual(await addresses(resolver), ["10.0.0.2:2000"]);
  });

  it("are none where SRV records say that there is no such service, or cannot be read", async () => {
    const service = "_zookeeper._tcp.example.org";
    const known: Record<string, readonly string[] | Error> = { [service]: [""] };
    const told: string[] = [];
    const hosts = new HostProvider(
      new EndpointResolver({ service }, names(known)),
      createDiagnostics((message) => told.push(message)),
    );
    await hosts.next(60, AbortSignal.timeout(50));
    const [message, ...more] = told;
    assert.match(
      message ?? "",
      /^no SRV record of _zookeeper\._tcp\.example\.org names a server \(the service/,
    );
    assert.deepEqual(more, []);
    known[service] = new Error("querySrv ENOTFOUND");
    const { failures } = await new EndpointResolver({ service }, names(known)).resolve(1000);
    assert.deepEqual([...failures], [[service, { kind: "unlisted", detail: "querySrv ENOTFOUND" }]]);
  });

  it("do not wait for a name service that does not answer", { timeout: 10_000 }, async () => {
    const silent: NameService = { ...names({}), addressesOf: () => new Promise(() => {}) };
    const { endpoints, failures } = await new EndpointResolver({ servers: [server("a")] }, silent).resolve(5);
    assert.deepEqual(
      [endpoints, [...failures.values()].map(({ detail }) => detail)],
      [[], ["no answer within 5 ms"]],
    );
  });
});

describe("host provider", () => {
  const provider = (known: Record<string, readonly string[] | Error>, told: string[] = []) => {
    const servers = Object.keys(known).map(server);
    const resolver = new EndpointResolver({ servers }, names(known));
    return new HostProvider(
      resolver,
      createDiagnostics((message) => told.push(message)),
    );
  };

  it("tries every address once in a round, and what was lost last", async () => {
    const hosts = provider({ a: ["10.0.0.1", "10.0.0.2"], b: ["10.0.0.3"] });
    const first = await hosts.next(10_000, never);
    assert.ok(first !== undefined);
    hosts.ended(first.server, unreachable, 5000);
    const tried: string[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const next = await hosts.next(10_000, never);
      assert.ok(next !== undefined);
      tried.push(next.server.address);
      hosts.ended(next.server, unreachable, 0);
    }
    // The two that are left of the round, then the first of a new one, which is not the last that failed.
    assert.equal(new Set(tried.slice(0, 2)).size, 2);
    assert.ok(!tried.slice(0, 2).includes(first.server.address));
    assert.notEqual(tried[2], tried[1]);
  });

  it("says that no name means anything, and finds one that means something later", async () => {
    const told: string[] = [];
    const known: Record<string, readonly string[] | Error> = { a: new Error("getaddrinfo ENOTFOUND a") };
    const hosts = provider(known, told);
    const finding = hosts.next(60, never);
    while (told.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.match(told[0] ?? "", /cannot reach ZooKeeper at a:1 \(getaddrinfo ENOTFOUND a\)/);
    known.a = ["10.0.0.1"];
    assert.equal((await finding)?.server.address, "10.0.0.1");
  });

  it("gives up when it is aborted", async () => {
    const hosts = provider({ a: new Error("no a") });
    const abort = new AbortController();
    const finding = hosts.next(10_000, abort.signal);
    abort.abort();
    assert.equal(await finding, undefined);
  });

  it("tries a preferred server next", async () => {
    const hosts = provider({ a: ["10.0.0.1"], b: ["10.0.0.2"] });
    const preferred = { host: "c", port: 1, address: "10.0.0.9" };
    hosts.prefer(preferred);
    assert.deepEqual((await hosts.next(10_000, never))?.server, preferred);
  });
});
