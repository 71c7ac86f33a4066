import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  encodeText,
  ForeignContentError,
  formatGroupState,
  formatRingState,
  parseAddressData,
  parseClusterId,
  parseGroupLogs,
  parseGroupState,
  parseRingState,
  parseTop,
} from "../../../src/cluster/metadata/codec.ts";
import type { GroupState, RingState } from "../../../src/cluster/metadata/model.ts";

const member = { number: 1, incarnation: "17" };

const foreign: [string, (path: string, data: Uint8Array) => unknown, string[]][] = [
  [
    "an address",
    parseAddressData,
    [
      "",
      "localhost",
      ":1",
      "a:",
      "a:0",
      "a:65536",
      "a:1 ",
      "a b:1",
      "a\u0000:1",
      "data.1:1",
      "0.0.0.0:1",
      `${"x".repeat(256)}:1`,
    ],
  ],
  ["a top", parseTop, ["", "x", "-1", "01", "1.5", "4294967296", " 1", "1\n"]],
  [
    "a group's state",
    parseGroupState,
    [
      "",
      "1",
      "null",
      "[]",
      "{}",
      "{",
      '{"epoch":0,"inSync":[]}',
      '{"epoch":0,"primary":null}',
      '{"primary":null,"inSync":[]}',
      '{"epoch":-1,"primary":null,"inSync":[]}',
      '{"epoch":1.5,"primary":null,"inSync":[]}',
      '{"epoch":9007199254740992,"primary":null,"inSync":[]}',
      '{"epoch":"1","primary":null,"inSync":[]}',
      '{"epoch":1,"primary":null,"inSync":{}}',
      '{"epoch":1,"primary":null,"inSync":[1]}',
      '{"epoch":1,"primary":null,"inSync":[],"more":1}',
      '{"epoch":1,"primary":null,"inSync":[{"number":1,"incarnation":17}]}',
      '{"epoch":1,"primary":null,"inSync":[{"number":4294967296,"incarnation":"17"}]}',
      '{"epoch":1,"primary":null,"inSync":[{"number":1,"incarnation":"17"},{"number":1,"incarnation":"18"}]}',
      '{"epoch":1,"primary":{"number":1,"incarnation":"17"},"inSync":[]}',
      '{"epoch":1,"primary":{"number":1,"incarnation":"17"},"inSync":[{"number":1,"incarnation":"16"}]}',
      '{"epoch":0,"primary":{"number":1,"incarnation":"17"},"inSync":[{"number":1,"incarnation":"17"}]}',
    ],
  ],
  [
    "the ring",
    parseRingState,
    [
      "",
      "[]",
      "{}",
      '{"version":1,"virtualNodes":2,"groups":["a"]}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":0}',
      '{"version":1,"virtualNodes":2,"groups":["a","a"],"written":true}',
      '{"version":1,"virtualNodes":2,"groups":["lock"],"written":true}',
      '{"version":1,"virtualNodes":2,"groups":[1],"written":true}',
      '{"version":1,"virtualNodes":10001,"groups":[],"written":true}',
      '{"version":-1,"virtualNodes":2,"groups":[],"written":true}',
      '{"version":1,"virtualNodes":2,"groups":[],"written":true,"change":{}}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"more":1}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"outside":["b","b"]}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"outside":["lock"]}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"queue":[{"kind":"add"}]}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"queue":[{"kind":"grow","group":"b"}]}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"queue":[{"kind":"add","group":"b","rate":0}]}',
      '{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"queue":[{"kind":"virtual-nodes","virtualNodes":-1}]}',
      ...[
        "1",
        '{"group":"b","ringVersion":1,"firstEpoch":0}',
        '{"group":"lock","ringVersion":1,"firstEpoch":0,"lastEpoch":1}',
        '{"group":"b","ringVersion":-1,"firstEpoch":0,"lastEpoch":1}',
        '{"group":"b","ringVersion":1,"firstEpoch":0,"lastEpoch":1,"more":1}',
      ].map((group) => `{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"removed":[${group}]}`),
      ...[
        '"id":2,"virtualNodes":2,"groups":["a","b"],"done":[],"paused":false',
        '"id":1,"virtualNodes":2,"groups":[],"done":[],"paused":false',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[["a"]],"paused":false',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[["a","a"]],"paused":false',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[["b","a"]],"paused":false',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[["a","b"],["a","b"]],"paused":false',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[],"paused":0',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[],"paused":false,"rate":0',
        '"id":1,"virtualNodes":2,"groups":["a","b"],"done":[],"paused":false,"more":1',
      ].map((change) => `{"version":1,"virtualNodes":2,"groups":["a"],"written":true,"change":{${change}}}`),
    ],
  ],
];

describe("written forms", () => {
  it("write a group's state and the ring so that people can read them, and read them back", () => {
    const states: [GroupState, string][] = [
      [{ epoch: 0, primary: undefined, inSync: [] }, '{"epoch":0,"primary":null,"inSync":[]}'],
      [
        { epoch: 3, primary: member, inSync: [member] },
        '{"epoch":3,"primary":{"number":1,"incarnation":"17"},"inSync":[{"number":1,"incarnation":"17"}]}',
      ],
      [
        { epoch: 3, primary: undefined, inSync: [member] },
        '{"epoch":3,"primary":null,"inSync":[{"number":1,"incarnation":"17"}]}',
      ],
    ];
    for (const [state, text] of states) {
      assert.equal(new TextDecoder().decode(formatGroupState(state)), text);
      assert.deepEqual(parseGroupState("/p", encodeText(text)), state);
    }
    const ring: RingState = { version: 1, virtualNodes: 2, groups: ["zdata1"], written: false };
    const text = '{"version":1,"virtualNodes":2,"groups":["zdata1"],"written":false}';
    assert.equal(new TextDecoder().decode(formatRingState(ring)), text);
    assert.deepEqual(parseRingState("/ring", encodeText(text)), ring);
  });

  it("write a ring that changes, what waits behind that, what is kept outside and what was removed, and read it back", () => {
    const ring: RingState = {
      version: 9,
      virtualNodes: 2,
      groups: ["a", "b"],
      written: true,
      change: {
        id: 7,
        virtualNodes: 2,
        groups: ["a", "b", "c"],
        done: [{ from: "a", to: "c" }],
        paused: true,
        rate: 500,
      },
      queue: [
        { kind: "virtual-nodes", virtualNodes: 128 },
        { kind: "add", group: "d", rate: 20 },
        { kind: "drain", group: "a" },
      ],
      outside: ["e"],
      removed: [{ group: "f", ringVersion: 6, firstEpoch: 0, lastEpoch: 4 }],
    };
    const text =
      '{"version":9,"virtualNodes":2,"groups":["a","b"],"written":true,' +
      '"change":{"id":7,"virtualNodes":2,"groups":["a","b","c"],"done":[["a","c"]],"paused":true,"rate":500},' +
      '"queue":[{"kind":"virtual-nodes","virtualNodes":128},{"kind":"add","group":"d","rate":20},' +
      '{"kind":"drain","group":"a"}],"outside":["e"],' +
      '"removed":[{"group":"f","ringVersion":6,"firstEpoch":0,"lastEpoch":4}]}';
    assert.equal(new TextDecoder().decode(formatRingState(ring)), text);
    assert.deepEqual(parseRingState("/ring", encodeText(text)), ring);
  });

  it("write nothing but what they read, whatever else the values carry", () => {
    const node = { ...member, address: "a:1" };
    const data = formatGroupState({ epoch: 1, primary: node, inSync: [node] });
    assert.deepEqual(parseGroupState("/p", data), { epoch: 1, primary: member, inSync: [member] });
  });

  it("read what a person has formatted by hand", () => {
    const text = ' {\n "inSync": [],\r\n\t"primary": null, "epoch": 7 }\n';
    assert.deepEqual(parseGroupState("/p", encodeText(text)), { epoch: 7, primary: undefined, inSync: [] });
  });

  it("read addresses of every kind, and numbers", () => {
    for (const address of ["127.0.0.1:1926", "node-1.example:65535", "[::1]:2000"]) {
      assert.equal(parseAddressData("/p", encodeText(address)), address);
    }
    assert.equal(parseTop("/p", encodeText("12")), 12);
  });

  for (const [what, parse, texts] of foreign) {
    it(`name the path, what stands there and what is expected, when it is not ${what}`, () => {
      for (const text of texts) {
        const found = text === "" ? "nothing" : JSON.stringify(text.slice(0, 10)).slice(0, -1);
        assert.throws(
          () => parse("/some/path", encodeText(text)),
          (error: unknown) =>
            error instanceof ForeignContentError &&
            error.path === "/some/path" &&
            error.message.startsWith(`/some/path holds ${found.replaceAll("\u0000", "\\u0000")}`) &&
            / expected /.test(error.message),
          text,
        );
      }
    });

    it(`never fail in another way on bytes that are not ${what}`, () => {
      const bytes = fc.oneof(fc.uint8Array(), fc.json().map(encodeText));
      fc.assert(
        fc.property(bytes, (data) => {
          try {
            parse("/p", data);
          } catch (error) {
            assert.ok(error instanceof ForeignContentError);
            assert.ok(!/[\p{Cc}]/u.test(error.message), JSON.stringify(error.message));
          }
        }),
      );
    });
  }

  it("advise to delete only what is made again by itself", () => {
    const data = encodeText('{"later":1}');
    const isDeletionAdvised = (error: Error) => / correct or delete it$/.test(error.message);
    for (const parse of [parseRingState, parseGroupState, parseGroupLogs, parseClusterId]) {
      assert.throws(
        () => parse("/p", data),
        (error: Error) => !isDeletionAdvised(error) && /do not delete it/.test(error.message),
      );
    }
    for (const parse of [parseTop, parseAddressData])
      assert.throws(() => parse("/p", data), isDeletionAdvised);
  });

  it("shorten what is long and make it visible", () => {
    const data = new Uint8Array(1_000_000).fill(0x1b);
    assert.throws(
      () => parseAddressData("/p", data),
      (error: Error) => error.message.length < 600 && /\\u001b.* … \(1000000 bytes\)/.test(error.message),
    );
  });
});
