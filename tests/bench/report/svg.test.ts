// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FigureResult } from "../suite.ts";
import { svgOf } from "./svg.ts";

function figure(name: string, ours: readonly number[], theirs: readonly number[]): FigureResult {
  const sides = new Map([
    ["a & b", ours],
    ["c", theirs],
  ]);
  return { kind: "figure", name, unit: "s", pairs: [["a & b", "c"]], sides };
}

const circles = (svg: string) => [...svg.matchAll(/circle cx="([\d.]+)"/g)].map((found) => Number(found[1]));

test("each ratio is a dot: equally far from 1 when it is twice and when it is half", () => {
  const svg = svgOf([figure("one", [1], [1]), figure("twice", [1], [2]), figure("half", [2], [1])]);
  const [one = 0, twice = 0, half = 0] = circles(svg);
  assert.ok(half < one && one < twice);
  assert.ok(Math.abs(twice - one - (one - half)) < 0.2);
  assert.match(svg, /a &amp; b : c/);
});

test("what could not be measured is not drawn", () => {
  const svg = svgOf([figure("none", [], []), { kind: "failed", name: "lost", why: "no" }]);
  assert.deepEqual(circles(svg), []);
  assert.doesNotMatch(svg, /none|lost|NaN|Infinity/);
});
