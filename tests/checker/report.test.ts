// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, get, put, remove, since } from "./hand-written.ts";
import type { History } from "./history.ts";
import { type KeyOperation, keyValueModel } from "./key-value-model.ts";
import { checkLinearizability } from "./linearizability.ts";
import { describeViolation } from "./report.ts";

/** The paragraphs of the report on a history that is not linearizable. */
function report(history: History<KeyOperation>, stepsMax?: number): string[][] {
  const verdict = checkLinearizability(keyValueModel, history, stepsMax);
  assert.ok(verdict.verdict === "violation");
  const text = describeViolation(keyValueModel, verdict.violation).join("\n");
  return text.split("\n\n").map((paragraph) => paragraph.split("\n"));
}

const writes = Array.from({ length: 20 }, (_, i) => at(2 * i, 2 * i + 1, put(`v${i}`, i + 1)));
const lost = since(41, put("lost"));
const deleted = { ...at(42, 43.5, remove(30)), client: 4 };
const stale = { ...at(44, 45, get("v19", 20)), client: 7 };
const history = [...writes, lost, deleted, stale];

describe("the report on a violation", () => {
  it("names the key", () => {
    assert.deepEqual(report(history)[0], ['not linearizable: "k"']);
  });

  it("shows the calls that are in conflict, and no others", () => {
    const [, [, ...conflict] = []] = report(history);
    assert.deepEqual(conflict, [
      '       42.000      43.500  client 4  delete "k": revision 30',
      '       44.000      45.000  client 7  get "k": "v19", revision 20',
    ]);
  });

  it("shows the end of an order of the calls before, and the state after it", () => {
    const [, , [title, ...order] = []] = report(history);
    assert.match(title ?? "", /21 of 23 calls/);
    assert.match(order.at(-3) ?? "", /put "k" "v19": revision 20$/);
    assert.match(order.at(-2) ?? "", /delete "k": revision 30$/);
    assert.match(order.at(-1) ?? "", /deleted, revision 30/);
    assert.ok(order.length < 10);
  });

  it("shows what went on around, with the conflict marked", () => {
    const [, , , [, ...around] = []] = report([
      ...history,
      at(99, 100, put("z", 40)),
      at(101, 102, get("v0", 1)),
    ]);
    const marked = around.filter((line) => line.startsWith(">"));
    assert.equal(marked.length, 2);
    assert.ok(
      around.some((line) => /41\.000 +\? {2}client 1 {2}put "k" "lost": outcome unknown$/.test(line)),
    );
    assert.ok(around.length < 20);
  });

  it("leaves out what was sent neither just before nor just after a call in conflict", () => {
    const slow = at(1.5, 50, put("slow", 11));
    const [, , , [, ...around] = []] = report([...writes, slow]);
    const shown = around.map((line) =>
      line === "  ..." ? "..." : line.replace(/^(.).*put "k" "(.*)".*$/, "$1$2"),
    );
    assert.deepEqual(shown, [
      " v0",
      ">slow",
      " v1",
      " v2",
      " v3",
      "...",
      " v7",
      " v8",
      " v9",
      ">v10",
      " v11",
      " v12",
      " v13",
      "...",
    ]);
  });
});
