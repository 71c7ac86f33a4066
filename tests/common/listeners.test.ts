import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "../../src/common/listeners.ts";

test("listeners are told every value in the same order, also when one causes the next", () => {
  const listeners = new Listeners<number>();
  const told: string[] = [];
  listeners.add((value) => {
    told.push(`a${value}`);
    if (value === 1) listeners.tell(2);
  });
  listeners.add((value) => told.push(`b${value}`));
  listeners.tell(1);
  assert.deepEqual(told, ["a1", "b1", "a2", "b2"]);
});

test("a listener that was stopped by another one is not called any more", () => {
  const listeners = new Listeners<number>();
  const told: number[] = [];
  listeners.add(() => stop());
  const stop = listeners.add((value) => told.push(value));
  listeners.tell(1);
  assert.deepEqual(told, []);
});

test("an error of a listener is thrown to the process, and keeps no other from being called", () => {
  const listeners = new Listeners<number>();
  const told: number[] = [];
  const bug = new Error("a bug");
  listeners.add(() => {
    throw bug;
  });
  listeners.add((value) => told.push(value));
  const thrown: (() => void)[] = [];
  const { queueMicrotask } = globalThis;
  globalThis.queueMicrotask = (callback) => thrown.push(callback);
  try {
    listeners.tell(1);
  } finally {
    globalThis.queueMicrotask = queueMicrotask;
  }
  assert.deepEqual(told, [1]);
  assert.throws(() => thrown[0]?.(), bug);
});
