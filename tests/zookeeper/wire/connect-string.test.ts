import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CoordinationError } from "../../../src/coordination/coordination.ts";
import { openWire } from "../../../src/coordination/wire/open-wire.ts";
import { ZooKeeperError } from "../../../src/zookeeper/errors.ts";
import {
  formatServer,
  parseConnectString,
  parseServers,
} from "../../../src/zookeeper/wire/connect-string.ts";
import { rejectsWith } from "../../support/conformance/service.ts";

describe("connect string", () => {
  const good: [string, string[], string][] = [
    ["localhost", ["localhost:2181"], ""],
    ["localhost:2181", ["localhost:2181"], ""],
    ["zoo1:2181,zoo2:2182,zoo3", ["zoo1:2181", "zoo2:2182", "zoo3:2181"], ""],
    ["zoo1, zoo2 ,zoo3:9", ["zoo1:2181", "zoo2:2181", "zoo3:9"], ""],
    ["10.0.0.1:1,zoo-2.example_x.org:65535/", ["10.0.0.1:1", "zoo-2.example_x.org:65535"], ""],
    ["zoo1:2181/kvlab", ["zoo1:2181"], "/kvlab"],
    ["zoo1/a/b c/ü", ["zoo1:2181"], "/a/b c/ü"],
    ["[::1]:2182,[fe80::1]/x", ["[::1]:2182", "[fe80::1]:2181"], "/x"],
  ];
  for (const [connectString, servers, chroot] of good) {
    it(`reads ${JSON.stringify(connectString)}`, () => {
      const parsed = parseConnectString(connectString);
      assert.deepEqual(parsed.servers.map(formatServer), servers);
      assert.equal(parsed.chroot, chroot);
    });
  }

  const bad: [string, RegExp][] = [
    ["", /server "" is empty/],
    ["zoo1,,zoo2", /server "" is empty/],
    ["zoo1,", /server "" is empty/],
    ["/kvlab", /server "" is empty/],
    [":2181", /server ":2181" has no valid host/],
    ["zoo1:", /server "zoo1:" has the port ""; allowed: a number from 1 to 65535/],
    ["zoo1:port", /the port "port"/],
    ["zoo1:0", /the port "0"/],
    ["zoo1:65536", /the port "65536"/],
    ["zoo1:-1", /the port "-1"/],
    ["zoo1:1e3", /the port "1e3"/],
    ["zoo1:2181:2181", /server "zoo1:2181:2181" has more than one colon/],
    ["::1", /write \[::1\]:port/],
    ["[::1", /more than one colon|no valid host/],
    ["[localhost]:2181", /brackets around what is no IPv6 address/],
    ["zoo 1:2181", /server "zoo 1:2181" has no valid host/],
    ["user@zoo1:2181", /no valid host/],
    ["zk://zoo1", /its chroot "\/\/zoo1" is no znode path/],
    ["zk://zoo1:2181/kv", /its chroot "\/\/zoo1:2181\/kv" names servers/],
    ["zoo1:2181/kv,zoo2:2181/kv", /its chroot "\/kv,zoo2:2181\/kv" names servers; it stands once/],
    ["zoo1:2181/kv,zoo2:2181", /its chroot "\/kv,zoo2:2181" names servers/],
    ["zoo1/kv,zoo2", /its chroot "\/kv,zoo2" names servers/],
    ["zoo1/kv;zoo2/kv", /its chroot "\/kv;zoo2\/kv" names servers/],
    ["zoo1:2181/kv zoo2:2181/kv", /its chroot "\/kv zoo2:2181\/kv" names servers/],
    ["zoo1/kv:2181", /its chroot "\/kv:2181" names servers/],
    ["zoo1,/kv", /server "" is empty/],
    ["zoo1:2181//kv", /its chroot "\/\/kv" is no znode path/],
    ["zoo1:2181/kvlab/", /its chroot "\/kvlab\/" is no znode path/],
    ["zoo1:2181/a/../b", /its chroot "\/a\/\.\.\/b" is no znode path/],
  ];
  for (const [connectString, problem] of bad) {
    it(`refuses ${JSON.stringify(connectString)}, naming the part that is wrong`, async () => {
      assert.throws(
        () => parseConnectString(connectString),
        (error) => {
          assert.ok(ZooKeeperError.is(error, "BAD_ARGUMENTS"));
          assert.match(error.message, problem);
          assert.ok(error.message.includes(JSON.stringify(connectString)));
          return true;
        },
      );
      await rejectsWith(openWire({ connectString, sessionTimeoutMs: 1000 })(), "BAD_ARGUMENTS");
    });
  }

  it("may name the SRV records that list the servers", () => {
    const service = "_zookeeper._tcp.example.org";
    assert.deepEqual(parseServers(`srv:${service}`), { source: { service }, chroot: "" });
    assert.deepEqual(parseServers(`srv:${service}/app`), { source: { service }, chroot: "/app" });
    assert.throws(() => parseServers(`srv:${service}/a/`), { code: "BAD_ARGUMENTS" });
    const servers = [{ host: "srv", port: 2181 }];
    assert.deepEqual(parseServers("srv:2181/app"), { source: { servers }, chroot: "/app" });
  });

  it("is checked before anything is tried, like the other settings", async () => {
    const connectString = "localhost";
    for (const sessionTimeoutMs of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      await rejectsWith(openWire({ connectString, sessionTimeoutMs })(), "BAD_ARGUMENTS");
    }
    for (const auth of ["", "secret", ":secret"]) {
      await assert.rejects(openWire({ connectString, sessionTimeoutMs: 1000, auth })(), (error) => {
        assert.ok(CoordinationError.is(error, "BAD_ARGUMENTS"));
        assert.ok(!error.message.includes("secret"));
        return true;
      });
    }
  });
});
