// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { at } from "../../checker/hand-written.ts";
import { checkLinearizability } from "../../checker/linearizability.ts";
import { type StoreOperation, storeModel } from "../../checker/store-model.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { end, put } from "./by-hand.ts";
import { GroupFacts } from "./group-facts.ts";
import { historiesOf, problemWithAnswerOver, takenOver } from "./histories.ts";
import { ShadowLog } from "./shadow-log.ts";

const recoveredMs = 100;

/** Three writes of k, of which the recovered log has one; and then what the next epoch has added. */
async function recoveredGroup(...added: LogRecord["changes"][]) {
  const group = new GroupFacts("g");
  const log = new ShadowLog("n2", "g");
  const store = await openOn(new SimulatedDisk());
  log.opened(store);
  const commit = (epoch: number, changes: LogRecord["changes"], requestId?: string) => {
    const seq = group.committed.length + 1;
    const record = { epoch, seq, changes, ...(requestId !== undefined && { requestId }) };
    group.committed.push(record);
    group.committedMs.push(epoch === 1 ? seq : recoveredMs + seq);
    return record;
  };
  const first = commit(1, [put("k", "a")]);
  await store.append([first]);
  log.append([first]);
  commit(1, [put("k", "b", 1)]);
  commit(1, [put("k", "c", 2)]);
  group.beginEra(log, { epoch: 2, recovered: 2, fromMs: recoveredMs });
  for (const [index, changes] of added.entries()) commit(2, changes, `r${index}`);
  return group;
}

function verdictOf(group: GroupFacts, ...calls: ReturnType<typeof at<StoreOperation>>[]): string[] {
  return historiesOf(group, calls).map(({ era, calls: own }) => {
    const taken = takenOver(era) ?? assert.fail("it is not known what was taken over");
    return checkLinearizability(storeModel, [...taken, ...own]).verdict;
  });
}

const read = (value: string, revision: number): StoreOperation => ({
  kind: "get",
  key: "k",
  result: { value, revision },
});
const written = (value: string, revision: number): StoreOperation => ({
  kind: "put",
  key: "k",
  value,
  result: { revision },
});

describe("the histories of a group that was recovered", () => {
  it("end and begin with what the recovered log has", async () => {
    const { eras } = await recoveredGroup([put("k", "d", 1)]);
    assert.deepEqual(
      eras.map(({ epoch, fromMs, committed }) => [epoch, fromMs, committed.map((record) => record?.epoch)]),
      [
        [0, 0, [1, 1, 1]],
        [2, recoveredMs, [1, 2]],
      ],
    );
  });

  it("each hold by themselves", async () => {
    const group = await recoveredGroup([put("k", "d", 1)]);
    const writes = [at(1, 1.5, written("a", 1)), at(2, 2.5, written("b", 2)), at(3, 3.5, written("c", 3))];
    const before = at(50, 60, read("c", 3));
    const after = at(110, 120, read("d", 2));
    assert.deepEqual(verdictOf(group, ...writes, before, at(101, 105, written("d", 2)), after), [
      "linearizable",
      "linearizable",
    ]);
  });

  it("have nothing again that was given up", async () => {
    const group = await recoveredGroup();
    const writes = [at(1, 1.5, written("a", 1)), at(2, 2.5, written("b", 2)), at(3, 3.5, written("c", 3))];
    assert.deepEqual(verdictOf(group, ...writes, at(110, 120, read("a", 1))), [
      "linearizable",
      "linearizable",
    ]);
    assert.deepEqual(verdictOf(group, ...writes, at(110, 120, read("c", 3))), ["linearizable", "violation"]);
  });

  it("may have a write of before once more, that was on its way still", async () => {
    const group = await recoveredGroup([put("k", "b", 1)]);
    const writes = [at(1, 1.5, written("a", 1)), at(2, 2.5, written("b", 2)), at(3, 3.5, written("c", 3))];
    assert.deepEqual(verdictOf(group, ...writes, at(110, 120, read("b", 2))), [
      "linearizable",
      "linearizable",
    ]);
  });

  it("may have a delete of before once more, but none that nobody has asked for", async () => {
    const group = await recoveredGroup([end("delete", "k", 1)]);
    const absent: StoreOperation = { kind: "get", key: "k", result: "not-found" };
    const deleted: StoreOperation = { kind: "delete", key: "k", result: { revision: 4 } };
    const gone = at(110, 120, absent);
    assert.deepEqual(verdictOf(group, at(4, 5, deleted), gone).at(1), "linearizable");
    assert.deepEqual(verdictOf(group, gone).at(1), "violation");
  });

  it("have an answer over the recovery right in one of them", async () => {
    const group = await recoveredGroup([put("k", "d", 1)]);
    assert.equal(problemWithAnswerOver(group, [at(50, 150, written("d", 2))]), undefined);
    assert.equal(problemWithAnswerOver(group, [at(50, 150, written("b", 2))]), undefined);
    assert.match(problemWithAnswerOver(group, [at(50, 150, written("x", 2))]) ?? "", /revision 2 .* and /);
  });
});
