import assert from "node:assert/strict";
import { test } from "node:test";
import { patiently } from "../../src/cli/patiently.ts";
import { UNAVAILABLE } from "../../src/settings/exit-codes.ts";
import { ExitError } from "../../src/settings/run-main.ts";

const unavailable = async () => {
  throw new ExitError(UNAVAILABLE, "no router answers");
};

test("what cannot be shown while no router answers ends the wait with that error", {
  timeout: 20_000,
}, async () => {
  const broken = new Error("the terminal is gone");
  const { signal } = new AbortController();
  const never = () => new Promise<string>((resolve) => setTimeout(resolve, 3000, "late"));
  await assert.rejects(
    patiently(never, signal, async () => {
      throw broken;
    }),
    broken,
  );
});

test("a wait for a router ends without an answer when it is interrupted, and other errors end it at once", {
  timeout: 20_000,
}, async () => {
  const ending = new AbortController();
  const waits: number[] = [];
  const waiting = patiently(unavailable, ending.signal, async (silentMs) => {
    waits.push(silentMs);
    ending.abort();
  });
  assert.equal(await waiting, undefined);
  assert.equal(waits.length, 1);
  const refused = new Error("refused");
  await assert.rejects(
    patiently(
      () => Promise.reject(refused),
      new AbortController().signal,
      async () => {},
    ),
    refused,
  );
});
