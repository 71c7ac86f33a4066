import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText, formatGroupState, formatRingState } from "../../../src/cluster/metadata/codec.ts";
import { CoordinationError } from "../../../src/coordination/coordination.ts";
import { faults, faultySessions, withEachFault } from "../../support/faulty-sessions.ts";
import { Members } from "../../support/members.ts";
import { skippingClock } from "../../support/skipping-clock.ts";
import { plain, watch } from "../../support/topology.ts";

describe("the watched topology under faults", () => {
  it("sees the truth in the end whatever fault meets it at any call", async () => {
    await withEachFault(async (faultAt) => {
      const members = await Members.start();
      const sessions = faultySessions(members.service, faultAt);
      const { source, diagnostics } = watch(members, sessions.open);
      members.router("r:1");
      const node = members.node("g", "a:1");
      await members.idle();
      members.node("g", "b:1");
      await members.observer.create("/ring", formatRingState(ring(1)), "persistent");
      await members.observer.create("/data/g/state", formatGroupState(state(1)), "persistent");
      await members.idle();
      members.expire(node);
      await members.observer.set("/data/g/state", formatGroupState(state(2)), 0);
      await members.idle();
      assert.deepEqual(plain(source.current), {
        stale: false,
        routers: { 0: "r:1" },
        groups: { g: { nodes: { 1: "a:1", 2: "b:1" }, epoch: 2 } },
        ring: 1,
      });
      assert.equal(
        source.current?.groups.get("g")?.nodes[0]?.incarnation,
        node.registration.current?.incarnation,
      );
      assert.deepEqual(diagnostics, []);
      return sessions;
    });
  });

  it("agrees with a watcher that began afterwards, after any changes and faults", async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const members = await Members.start();
      const { random } = skippingClock(seed);
      const faulty = faultySessions(members.service, (operation) =>
        operation < 300 && random() < 0.05 ? faults[Math.floor(random() * faults.length)] : undefined,
      );
      const watcher = watch(members, faulty.open);
      await churn(members, random);
      await members.idle();
      const later = watch(members);
      await members.idle();
      assert.ok(later.source.current);
      assert.deepEqual(watcher.source.current, later.source.current, `seed ${seed}`);
    }
  });
});

const state = (epoch: number) => ({ epoch, primary: undefined, inSync: [] });
const ring = (version: number) => ({ version, virtualNodes: 2, groups: ["g"], written: false });

/** Makes, changes and deletes znodes at random, often without waiting for one change before the next. */
async function churn({ observer, clock }: Members, random: () => number): Promise<void> {
  const pick = (count: number) => Math.floor(random() * count);
  const paths = ["/server", "/data", "/ring"];
  for (const number of [0, 1, 2]) paths.push(`/server/${number}`);
  for (const group of ["/data/g", "/data/h"]) paths.push(group, `${group}/state`, `${group}/1`, `${group}/2`);
  const contents = [
    ...[1, 2].map((port) => encodeText(`a:${port}`)),
    ...[1, 2].map((epoch) => formatGroupState(state(epoch))),
    ...[1, 2].map((version) => formatRingState(ring(version))),
    encodeText("foreign"),
  ];
  const change = async () => {
    const path = paths[pick(paths.length)] ?? "/ring";
    const data = contents[pick(contents.length)] ?? new Uint8Array();
    const kind = pick(4);
    if (kind < 2) await observer.create(path, data, /\d$/.test(path) ? "ephemeral" : "persistent");
    else if (kind === 2) await observer.set(path, data, pick(3));
    else await observer.delete(path, pick(3));
  };
  for (let step = 0; step < 150; step++) {
    const outcome = change().catch((error: unknown) => assert.ok(CoordinationError.is(error)));
    if (random() < 0.7) await outcome;
    if (random() < 0.05) await clock.idle();
  }
}
