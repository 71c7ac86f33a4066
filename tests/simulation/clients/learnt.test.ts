// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StoreOperation } from "../../checker/store-model.ts";
import { end, groupOf, put } from "../checks/by-hand.ts";
import { withLog } from "./learnt.ts";

describe("a history with what the log tells", () => {
  const unknown: StoreOperation = { kind: "put", key: "k", value: "a", result: undefined };
  const asked = { client: 1, operation: unknown, called: 0.5, returned: undefined };

  it("has the outcome of a write of which nobody was told, from when it was committed", () => {
    const [call, ...more] = withLog([asked], [groupOf([], [put("k", "a")]).era]);
    assert.deepEqual(call, { ...asked, operation: { ...unknown, result: { revision: 2 } }, returned: 1 });
    assert.deepEqual(more, []);
  });

  it("is without a write that is in no log, unless a log is not known whole", () => {
    const log = groupOf([put("k", "b")]);
    assert.deepEqual(withLog([asked], [log.era]), []);
    log.committed.unshift(undefined);
    assert.deepEqual(withLog([asked], [log.era]), [asked]);
  });

  it("has the ends of keys whose time was over", () => {
    const log = groupOf([put("k", "a")], [end("expire", "k", 1)]);
    log.appendedMs.set("1.2", 0.5);
    const operation = { kind: "expire", key: "k", previous: 1, result: { revision: 2 } };
    assert.deepEqual(withLog([], [log.era]), [{ client: 0, operation, called: 0.5, returned: 1 }]);
  });
});
