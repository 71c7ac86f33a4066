import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import crc32 from "crc-32";
import fc from "fast-check";
import { HashRing, hashOfKey, virtualNodesMax } from "../../../src/cluster/ring/hash-ring.ts";

interface Vectors {
  sets: {
    name: string;
    nodes: string[];
    share: Record<string, number>;
    vectors: { key: string; owner: string }[];
  }[];
}

const { sets } = JSON.parse(
  readFileSync(new URL("../../data/ring-vectors.json", import.meta.url), "utf8"),
) as Vectors;

const group = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" });
const groups = fc.uniqueArray(group, { minLength: 1, maxLength: 8 });
const keys = fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 50 });
const virtualNodes = fc.integer({ min: 0, max: 40 });

describe("HashRing", () => {
  for (const set of sets) {
    it(`places every key and divides the ring as the original does: ${set.name}`, () => {
      const ring = new HashRing(set.nodes);
      for (const { key, owner } of set.vectors) assert.equal(ring.owner(key), owner, JSON.stringify(key));
      assert.deepEqual(Object.fromEntries(ring.shares()), set.share);
    });
  }

  it("places a key by the CRC-32 of its UTF-8 bytes, in which a lone surrogate is U+FFFD", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(fc.integer({ max: 0xffff, min: 0 })).map(ofUnits),
    );
    fc.assert(
      fc.property(text, (key) => {
        fc.pre(!key.includes("{"));
        assert.equal(hashOfKey(key), crc32.buf(new TextEncoder().encode(key)) >>> 0);
      }),
      { examples: [["\ud800"], ["a\udc00b"], ["\ud83dx"], ["x\ud83d😀"], ["é日😀"]] },
    );
  });

  it("has no owner for any key, and no shares, without groups", () => {
    const ring = new HashRing([]);
    assert.equal(ring.owner("a"), undefined);
    assert.deepEqual(ring.shares(), new Map());
  });

  it("does not depend on the order of the groups, nor on repetitions", () => {
    fc.assert(
      fc.property(groups, virtualNodes, keys, (names, virtualNodes, keys) => {
        const one = new HashRing(names, { virtualNodes });
        const other = new HashRing([...names, ...names].reverse(), { virtualNodes });
        for (const key of keys) assert.equal(one.owner(key), other.owner(key));
        assert.deepEqual(one.shares(), other.shares());
      }),
    );
  });

  it("gives a point that two groups share to the name that comes first", () => {
    // "1" + "0a" and "10" + "a" are one text; the key is that text, so it hashes to the very point.
    for (const names of [
      ["a", "0a"],
      ["0a", "a"],
    ]) {
      assert.equal(new HashRing(names, { virtualNodes: 10 }).owner("10a"), "0a");
    }
  });

  it("moves keys only to the group that is added", () => {
    fc.assert(
      fc.property(groups, group, virtualNodes, keys, (names, added, virtualNodes, keys) => {
        const before = new HashRing(names, { virtualNodes });
        const after = new HashRing([...names, added], { virtualNodes });
        for (const key of keys) {
          const owner = after.owner(key);
          if (owner !== added) assert.equal(owner, before.owner(key));
        }
      }),
    );
  });

  it("has shares that sum to exactly 1", () => {
    fc.assert(
      fc.property(groups, virtualNodes, (names, virtualNodes) => {
        const shares = new HashRing(names, { virtualNodes }).shares();
        assert.deepEqual([...shares.keys()].sort(), [...names].sort());
        assert.equal(
          [...shares.values()].reduce((sum, share) => sum + share, 0),
          1,
        );
      }),
    );
  });

  it("owns keys in the proportion of the shares", () => {
    const ring = new HashRing(["zdata1", "zdata2", "zdata3"]);
    const total = 20_000;
    const counts = new Map<string | undefined, number>();
    for (let i = 0; i < total; i++) {
      const owner = ring.owner(`key ${i}`);
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    for (const [name, share] of ring.shares()) {
      assert.ok(Math.abs((counts.get(name) ?? 0) / total - share) < 0.02, name);
    }
  });

  it("hashes a key with a non-empty {tag} by the tag alone", () => {
    const ring = new HashRing(["zdata1", "zdata2", "zdata3"], { virtualNodes: 128 });
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((tag) => !tag.includes("}")),
        fc.string().filter((before) => !before.includes("{")),
        fc.string(),
        (tag, before, after) => {
          assert.equal(ring.owner(`${before}{${tag}}${after}`), ring.owner(`{${tag}}`));
          if (!tag.includes("{")) assert.equal(ring.owner(`{${tag}}`), ring.owner(tag));
        },
      ),
    );
  });

  it("hashes the whole key when the first { has no } after it, or nothing between", () => {
    // A group at i = 0 has a point at the hash of "0" + name, so a key of that text is its own for certain.
    for (const text of ["{}a{b}", "a{b", "}a{", "a}b", "{}"]) {
      const names = [text, "x", "y", "z"];
      assert.equal(new HashRing(names, { virtualNodes: 0 }).owner(`0${text}`), text);
    }
    assert.equal(new HashRing(["{b", "x", "y"], { virtualNodes: 0 }).owner("a{0{b}c"), "{b");
  });

  it("refuses a number of virtual nodes that it cannot have, naming it", () => {
    for (const virtualNodes of [-1, 1.5, Number.NaN, virtualNodesMax + 1]) {
      assert.throws(
        () => new HashRing(["a"], { virtualNodes }),
        new RegExp(`virtualNodes is ${virtualNodes}; .* from 0 to ${virtualNodesMax}`),
      );
    }
  });
});

function ofUnits(units: readonly number[]): string {
  return String.fromCharCode(...units);
}
