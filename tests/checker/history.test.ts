// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { get, getNothing, put, remove } from "./hand-written.ts";
import { HistoryRecorder } from "./history.ts";
import { type KeyOperation, keyValueModel } from "./key-value-model.ts";
import { checkLinearizability } from "./linearizability.ts";

describe("HistoryRecorder", () => {
  it("records what concurrent clients asked, when, and what they were told", () => {
    let nowMs = 10;
    const recorder = new HistoryRecorder<KeyOperation>(() => nowMs);
    const write = recorder.invoke(1, put("a"));
    nowMs = 12;
    const read = recorder.invoke(2, { ...getNothing, result: undefined });
    nowMs = 15;
    recorder.complete(write, put("a", 1));
    nowMs = 18;
    recorder.complete(read, get("a", 1));
    assert.deepEqual(recorder.history(), [
      { client: 1, operation: put("a", 1), called: 10, returned: 15 },
      { client: 2, operation: get("a", 1), called: 12, returned: 18 },
    ]);
  });

  it("leaves out calls that failed, and keeps those of unknown outcome and those under way without an answer", () => {
    const recorder = new HistoryRecorder<KeyOperation>(() => 0);
    recorder.failed(recorder.invoke(1, put("a")));
    recorder.unknown(recorder.invoke(1, put("b")));
    recorder.invoke(2, remove());
    const recorded = recorder.history().map(({ operation, returned }) => ({ operation, returned }));
    assert.deepEqual(recorded, [
      { operation: put("b"), returned: undefined },
      { operation: remove(), returned: undefined },
    ]);
  });

  it("keeps the order of events for which the clock shows the same time", () => {
    const recorder = new HistoryRecorder<KeyOperation>(() => 4_000_000_000);
    recorder.complete(recorder.invoke(1, put("a")), put("a", 1));
    recorder.complete(recorder.invoke(1, put("b")), put("b", 2));
    recorder.complete(recorder.invoke(2, getNothing), get("a", 1));
    assert.equal(checkLinearizability(keyValueModel, recorder.history()).verdict, "violation");
  });

  it("refuses a clock on which it could not do so", () => {
    const recorder = new HistoryRecorder<KeyOperation>(() => 1_800_000_000_000);
    recorder.invoke(1, put("a"));
    assert.throws(() => recorder.invoke(1, put("b")), RangeError);
  });

  it("refuses a second end of a call", () => {
    const recorder = new HistoryRecorder<KeyOperation>(() => 0);
    const id = recorder.invoke(1, put("a"));
    recorder.unknown(id);
    assert.throws(() => recorder.complete(id, put("a", 1)), /call 0 is not under way/);
    assert.throws(() => recorder.failed(7), /call 7 is not under way/);
  });
});
