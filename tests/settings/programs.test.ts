import assert from "node:assert/strict";
import { isIPv4 } from "node:net";
import { describe, it } from "node:test";
import { dataProgram, devProgram, rbfileFor, routerProgram } from "../../src/settings/programs.ts";
import { readSettings, SettingError } from "../../src/settings/read-settings.ts";

describe("settings of the servers", () => {
  it("derive rbfile from dbfile, so that two nodes in one folder do not share it", () => {
    assert.equal(rbfileFor("db.txt"), "rollback.txt");
    assert.equal(rbfileFor("/data/db.txt"), "/data/rollback.txt");
    assert.equal(rbfileFor("2000.txt"), "2000.txt.rollback");
    assert.equal(rbfileFor("/data/db.txt.old"), "/data/db.txt.old.rollback");
  });

  it("have the documented defaults", () => {
    const { serverip, ...rest } = readSettings(dataProgram, { args: [], env: { name: "g" } });
    assert.ok(isIPv4(serverip));
    assert.deepEqual(rest, {
      name: "g",
      zooaddr: "localhost:2181",
      serverport: 1926,
      announce: undefined,
      dbfile: "db.txt",
      rbfile: undefined,
      minsync: 1,
      standbytimeoutms: rest.standbytimeoutms,
      leasems: rest.leasems,
      historybytes: 16 * 1024 * 1024,
      maxvaluebytes: 4 * 1024 * 1024 - 64 * 1024,
      sessiontimeoutms: 10_000,
      zooauth: undefined,
      zkdriver: "wire",
      agent: "on",
    });
    const router = readSettings(routerProgram, { args: [], env: {} });
    assert.equal(router.virtualnodes, 2);
    assert.equal(router.newgroups, "enter");
  });

  it("make the cluster of one process local, with an even ring", () => {
    const settings = readSettings(devProgram, { args: [], env: {} });
    const { serverip, routerport, dataport, datadir, virtualnodes } = settings;
    assert.deepEqual(
      { serverip, routerport, dataport, datadir, virtualnodes },
      { serverip: "127.0.0.1", routerport: 1926, dataport: 2000, datadir: "data", virtualnodes: 128 },
    );
  });

  const accepted = {
    zooaddr: ["zoo1:2181,zoo2:2181/kvlab", "[::1]:2181", "zoo"],
    serverip: ["10.0.0.1", "0.0.0.0", "::", "::1", "fe80::1%eth0", "data-1.example.org", "data_1"],
    serverport: ["1", "65535"],
    announce: ["10.0.0.1:1926", "data-1.example.org:1", "[::1]:65535"],
    name: ["zdata1"],
    zooauth: ["me:pass:word"],
    zkdriver: ["native"],
    minsync: ["2"],
    historybytes: ["0", "1073741824"],
    maxvaluebytes: ["1", "67108864"],
  };
  const refused = {
    zooaddr: ["", "zoo1:2181,", "zoo1:http", "http://zoo1:2181"],
    serverip: ["", "10.0.0.1:1926", "a b", "-a", "data.1"],
    serverport: ["", "0", "65536", "19.5", "0x10", "http", "１９２６"],
    announce: [
      "",
      "10.0.0.1",
      ":1926",
      "::1:1926",
      "[10.0.0.1]:1926",
      "a:0",
      "a:65536",
      "a b:1",
      "data.1:2001",
      "0.0.0.0:1",
      "[fe80::1%eth0]:1",
    ],
    name: ["", "a/b", "lock", ".."],
    zooauth: ["", "me", ":pass"],
    zkdriver: ["", "Wire"],
    minsync: ["0", "-1", "1e1"],
    historybytes: ["-1", "16MiB"],
    maxvaluebytes: ["0", "67108865", "4MiB"],
  };
  const withName = (args: string[]) => readSettings(dataProgram, { args, env: { name: "g" } });

  it("take newgroups of a router as enter or wait, and nothing else", () => {
    const given = (value: string) => readSettings(routerProgram, { args: [`--newgroups=${value}`], env: {} });
    for (const value of ["enter", "wait"]) assert.equal(given(value).newgroups, value);
    for (const value of ["", "Enter", "yes"]) {
      assert.throws(
        () => given(value),
        (error) => error instanceof SettingError && error.message.startsWith("newgroups is "),
      );
    }
  });

  for (const [name, values] of Object.entries(accepted)) {
    it(`take ${name} as ${values.join(" or ")}`, () => {
      for (const value of values) {
        const settings: Record<string, unknown> = withName([`--${name}=${value}`]);
        assert.equal(String(settings[name]), value);
      }
    });
  }

  for (const [name, values] of Object.entries(refused)) {
    it(`refuse ${name} as ${values.map((value) => JSON.stringify(value)).join(" or ")}`, () => {
      for (const value of values) {
        assert.throws(
          () => withName([`--${name}=${value}`]),
          (error) => error instanceof SettingError && error.message.startsWith(`${name} is `),
          `${name}=${value}`,
        );
      }
    });
  }
});
