import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isGroupName, numberMax, parseNumber } from "../../../src/cluster/metadata/paths.ts";

describe("isGroupName", () => {
  it("accepts visible text of up to 128 bytes", () => {
    for (const name of ["zdata1", "0", "a.b-c_d", "…", "größe", "データ", "x".repeat(128), "Lock", "a{b}"]) {
      assert.ok(isGroupName(name), name);
    }
  });

  it("refuses what a znode, a log's header or a terminal cannot show, and the names of other znodes", () => {
    const refused = ["", ".", "..", "lock", "top", "state", "primary", "a/b", "/", "a b", "a\n", "\u0000"];
    const unseen = ["\u007f", "\u0085", "a\u00a0", "a\u200b", "\u2028", "\ue000", "\ud800", "\ufffd", "😀"];
    const long = ["x".repeat(129), "é".repeat(65)];
    for (const name of [...refused, ...unseen, ...long]) {
      assert.ok(!isGroupName(name), JSON.stringify(name));
    }
  });
});

describe("parseNumber", () => {
  it("reads whole numbers from 0 to the greatest of the schema, in the one way of writing them", () => {
    for (const number of [0, 1, 10, numberMax]) assert.equal(parseNumber(String(number)), number);
    for (const text of [
      "",
      " 1",
      "01",
      "-1",
      "+1",
      "1.0",
      "1e3",
      "lock",
      String(numberMax + 1),
      "9".repeat(30),
    ]) {
      assert.equal(parseNumber(text), undefined, text);
    }
  });
});
