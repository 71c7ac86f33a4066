import assert from "node:assert/strict";
import { test } from "node:test";
import { fullRetryMs } from "../../../src/cluster/replication/disk-diagnostics.ts";
import type { AppendResponse, Peer } from "../../../src/cluster/replication/peer.ts";
import { Replicator } from "../../../src/cluster/replication/replicator.ts";
import { defaultReplicationSettings } from "../../../src/cluster/replication/settings.ts";
import { addressOf } from "../../support/address.ts";
import { newLog, put } from "../../support/log-fixtures.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const notAsked = () => Promise.reject(new Error("not asked here"));
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A stream to a standby, whose answers the test gives. */
interface Stream {
  readonly answers: PromiseWithResolvers<AppendResponse>[];
  isClosed: boolean;
}

/** A replicator with three messages on the way, which the standby has not answered. */
async function withThreeOnTheWay() {
  const clock = new VirtualClock();
  const { store } = await newLog();
  const streams: Stream[] = [];
  const peer: Peer = {
    replicate() {
      const stream: Stream = { answers: [], isClosed: false };
      streams.push(stream);
      return {
        append() {
          const answer = Promise.withResolvers<AppendResponse>();
          stream.answers.push(answer);
          return answer.promise;
        },
        close() {
          stream.isClosed = true;
        },
      };
    },
    countMisplaced: notAsked,
    transferLeadership: notAsked,
    position: notAsked,
    reportSilence: notAsked,
    moveIn: notAsked,
    moveOut: notAsked,
  };
  const replicator = new Replicator({ number: 2, incarnation: "1", address: addressOf("b:1") }, peer, {
    group: "g",
    epoch: 1,
    self: 1,
    store,
    clock,
    settings: defaultReplicationSettings,
    committedSeq: () => 0,
    onAck() {},
    onStale: () => assert.fail(),
    onFailure: () => assert.fail(),
    log() {},
  });
  await turn();
  const [stream = assert.fail("no stream was opened")] = streams;
  stream.answers[0]?.resolve(answer("ok"));
  await turn();
  for (const seq of [1, 2, 3]) {
    await store.append([put(1, seq, `k${seq}`, "1")]);
    replicator.wake();
    await turn();
  }
  assert.equal(stream.answers.length, 4);
  /** Answers all three in one turn, as when the answers come in one packet. */
  const answerAll = async (result: AppendResponse["result"]) => {
    for (const each of stream.answers.slice(1)) each.resolve(answer(result));
    await turn();
  };
  return { clock, replicator, streams, answerAll };
}

test("messages that find no room on a full disk together make one pause", async () => {
  const { clock, replicator, answerAll } = await withThreeOnTheWay();
  await answerAll("full");
  const { state } = replicator.progress;
  assert.ok(state.kind === "paused");
  assert.equal(state.untilMs, clock.monotonicMs() + fullRetryMs);
  replicator.stop();
});

test("messages that do not fit together end their own stream only", async () => {
  const { replicator, streams, answerAll } = await withThreeOnTheWay();
  await answerAll("mismatch");
  assert.deepEqual(
    streams.map(({ isClosed }) => isClosed),
    [true, false],
  );
  replicator.stop();
});

function answer(result: AppendResponse["result"]): AppendResponse {
  const zero = { epoch: 0, seq: 0 };
  return { result, epoch: 1, last: zero, base: zero, epochs: [], needsSnapshot: false };
}
