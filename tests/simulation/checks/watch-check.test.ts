// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import type { WatchEvent } from "../../../src/cluster/watch/step.ts";
import { end, groupOf, put } from "./by-hand.ts";
import type { ToldStep } from "./watch-check.ts";
import { problemWithStep, type Watched } from "./watch-check.ts";

describe("the check of a watch", () => {
  const log = groupOf([], [put("k", "a"), put("l", "a")], [put("k", "b", 2)], [end("delete", "l", 2)]);
  const { committed } = log;
  const all: WatchScope = { kind: "all" };

  function eventsOf(scope: WatchScope, records: readonly (LogRecord | undefined)[]): WatchEvent[] {
    return records.flatMap((record) => {
      const changes = record?.changes.filter(({ key }) => includes(scope, key)) ?? [];
      return changes.map((change) => ({ change, revision: record?.seq ?? 0, epoch: 1, previous: undefined }));
    });
  }
  const step = (events: readonly WatchEvent[], seq: number, epoch = 1): ToldStep => ({
    events,
    at: { epoch, seq },
    baseSeq: 0,
  });
  const problem = (told: ToldStep, watched: Partial<Watched> = {}) =>
    problemWithStep(log, { scope: all, previous: false, after: { epoch: 0, seq: 0 }, ...watched }, told);
  const events = eventsOf(all, committed);

  it("takes all changes of its scope in their order, in one step or several", () => {
    assert.equal(problem(step(events, 4)), undefined);
    const scope: WatchScope = { kind: "key", key: "k" };
    assert.equal(problem(step(eventsOf(scope, committed), 4), { scope }), undefined);
    assert.equal(problem(step(events.slice(2), 4), { after: { epoch: 1, seq: 2 } }), undefined);
    assert.equal(problem(step([], 4), { after: { epoch: 1, seq: 4 } }), undefined);
  });

  it("finds what is missed, doubled, out of order, or of no record", () => {
    const [first, second, third, fourth] = events as [WatchEvent, WatchEvent, WatchEvent, WatchEvent];
    assert.match(problem(step(events.slice(0, 3), 4)) ?? "", /without delete l/);
    assert.match(problem(step([first, second, third, third, fourth], 4)) ?? "", /in place of delete l/);
    assert.match(problem(step([second, first, third, fourth], 4)) ?? "", /in place of put k/);
    assert.match(problem(step(events, 3)) ?? "", /and tells of delete l/);
    assert.match(
      problem(step(events, 4), { after: { epoch: 1, seq: 2 } }) ?? "",
      /tells of put k of revision 2/,
    );
  });

  it("finds half of a batch, what is not committed, and another history", () => {
    assert.match(problem(step(events.slice(0, 1), 2)) ?? "", /without put l of revision 2/);
    assert.match(problem(step(events, 5)) ?? "", /4 is committed/);
    assert.match(problem(step(events, 4, 2)) ?? "", /has come to 2\.4/);
    assert.match(problem(step([], 3), { after: { epoch: 1, seq: 4 } }) ?? "", /goes back/);
  });

  it("finds another value before than there was, or none where the log still has it", () => {
    const after = { epoch: 1, seq: 2 };
    const before = (text: string | undefined, baseSeq = 0): ToldStep => {
      const value = text === undefined ? undefined : { value: Buffer.from(text), text: true, revision: 2 };
      const told = events.slice(2).map((event) => ({ ...event, previous: { revision: 2, value } }));
      return { events: told, at: { epoch: 1, seq: 4 }, baseSeq };
    };
    assert.equal(problem(before("a"), { previous: true, after }), undefined);
    assert.equal(problem(before(undefined, 2), { previous: true, after }), undefined);
    assert.match(
      problem(before(undefined), { previous: true, after }) ?? "",
      /without the value of revision 2/,
    );
    assert.match(problem(before("z"), { previous: true, after }) ?? "", /another value/);
    assert.match(problem(step(events.slice(2), 4), { previous: true, after }) ?? "", /not after 2/);
  });
});
