import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ZooKeeper } from "../../../src/zookeeper/index.ts";
import { formatServer } from "../../../src/zookeeper/wire/connect-string.ts";
import { EndpointResolver, type NameService } from "../../../src/zookeeper/wire/endpoints.ts";
import { membersOf } from "../../../src/zookeeper/wire/ensemble-members.ts";
import { failure } from "../../support/zookeeper-clients.ts";

const membersIn = (config: string) => membersOf(config).map(formatServer);

describe("members of an ensemble, by its configuration", () => {
  const configs: [string, string, string[]][] = [
    [
      "all roles",
      "server.1=a:1:2:participant;a:3\nserver.2=b:1:2:observer;c:4\nserver.10=d:1:2;5\nversion=100000000",
      ["a:3", "c:4", "d:5"],
    ],
    [
      "one that listens on all addresses (CURATOR-384)",
      "server.1=zoo1:1:2:participant;0.0.0.0:3",
      ["zoo1:3"],
    ],
    ["one that names only a port", "server.1=zoo1:1:2;3", ["zoo1:3"]],
    ["all addresses of IPv6", "server.1=[fe80::1]:1:2:participant;[0:0:0:0:0:0:0:0]:3", ["[fe80::1]:3"]],
    [
      "names, which it does not resolve (CURATOR-664)",
      "server.1=zoo1.example.org:1:2;[::]:3",
      ["zoo1.example.org:3"],
    ],
    ["several addresses of a member", "server.1=a:1:2|b:1:2:participant;0.0.0.0:3", ["a:3"]],
    ["no port for clients (CURATOR-392, CURATOR-526)", "server.1=a:1:2:participant\nversion=0", []],
    [
      "each member by its own line, also behind one without a port for clients",
      "server.1=a:1:2:participant\nserver.2=\nserver.3=b:1:2;3",
      ["b:3"],
    ],
    ["no address at all", "server.1=0.0.0.0:1:2:participant;0.0.0.0:3\nserver.2=b:1:2;4", ["b:4"]],
    ["ports that there are not", "server.1=a:1:2;0\nserver.2=b:1:2;65536\nserver.3=c:1:2;x", []],
    ["a server that stands alone (CURATOR-345)", "", []],
  ];
  for (const [what, config, expected] of configs) {
    it(`knows ${what}`, () => assert.deepEqual(membersIn(config), expected));
  }
});

describe("servers to try, with members of the ensemble", () => {
  const names: NameService = {
    addressesOf: async (host) => [`address of ${host}`],
    serversOf: async () => [{ name: "srv", port: 1, priority: 0 }],
  };
  const server = (host: string, port = 1) => ({ host, port });
  const tried = async (resolver: EndpointResolver) =>
    (await resolver.resolve(1000)).endpoints.map(({ host, port }) => `${host}:${port}`);

  it("tries members first, and each server once", async () => {
    const resolver = new EndpointResolver({ servers: [server("old"), server("both")] }, names);
    resolver.prefer([server("new"), server("both")]);
    const order = await tried(resolver);
    assert.deepEqual(order.slice(0, 2).sort(), ["both:1", "new:1"]);
    assert.deepEqual(order.slice(2), ["old:1"]);
  });

  it("tries members before servers that SRV records name", async () => {
    const resolver = new EndpointResolver({ service: "_zookeeper._tcp.example.org" }, names);
    resolver.prefer([server("new")]);
    assert.deepEqual(await tried(resolver), ["new:1", "srv:1"]);
  });

  it("keeps the members that it knows when it is told of none", async () => {
    const resolver = new EndpointResolver({ servers: [server("old")] }, names);
    resolver.prefer([server("new")]);
    resolver.prefer([]);
    assert.deepEqual(await tried(resolver), ["new:1", "old:1"]);
  });

  it("takes no loopback address for that of another machine", async () => {
    const remote = new EndpointResolver({ servers: [server("zoo")] }, names);
    remote.prefer([server("localhost"), server("127.0.0.1"), server("::1")]);
    assert.deepEqual(await tried(remote), ["zoo:1"]);
    const local = new EndpointResolver({ servers: [server("127.0.0.1")] }, names);
    local.prefer([server("127.0.0.1", 2)]);
    assert.deepEqual(await tried(local), ["127.0.0.1:2", "127.0.0.1:1"]);
  });

  it("does not follow an ensemble with TLS, of which a configuration names no ports", async () => {
    const connecting = ZooKeeper.connect({ servers: "zoo", followEnsemble: true, tls: {} });
    const { message } = await failure(connecting, "BAD_ARGUMENTS");
    assert.match(message, /followEnsemble is true; allowed with tls: false/);
  });
});
