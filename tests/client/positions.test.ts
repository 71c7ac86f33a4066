import assert from "node:assert/strict";
import { test } from "node:test";
import { positionsOf, tokenOf } from "../../src/client/positions.ts";

function encoded(value: unknown): string {
  return btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

test("a token stands for a cluster and the positions of its groups", () => {
  const groups = new Map([
    ["zdata1", { revision: 7n, epoch: 2n }],
    ["größe", { revision: 2n ** 60n, epoch: 0n }],
  ]);
  const positions = {
    cluster: "0123456789abcdef0123456789abcdef",
    ring: { version: 7n, change: 5n },
    groups,
  };
  const token = tokenOf(positions);
  assert.match(token, /^[A-Za-z0-9_-]+$/);
  assert.deepEqual(positionsOf(token), positions);
  const ofKey = { ...positions, key: "größe" };
  assert.deepEqual(positionsOf(tokenOf(ofKey)), ofKey);
});

test("a token of the version before names no cluster", () => {
  const groups = new Map([["g", { revision: 7n, epoch: 2n }]]);
  assert.deepEqual(positionsOf(encoded([1, ["g", "7", "2"]])), {
    cluster: "",
    ring: { version: 0n, change: 0n },
    groups,
  });
});

test("what is no token is invalid", () => {
  const none = [3, [1, ["g", "7"]], [1, "g"], [2, ["g", "7", "2"]], [2, "c", ["g", "-1", "2"]], {}, "text"];
  for (const token of ["", "*", ...none.map(encoded)]) {
    assert.throws(() => positionsOf(token), { code: "invalid", message: /no token/ }, token);
  }
});
