import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import {
  TransactionCoordinator,
  type TransactionHandlers,
  TransactionParticipant,
  type ZooKeeper,
  ZooKeeperError,
} from "../../../../src/zookeeper/index.ts";
import { TransactionBoard } from "../../../../src/zookeeper/recipes/two-phase-commit/transaction-board.ts";
import { failReads, loseAnswers } from "../../../support/lost-answers.ts";
import { notingHandlers } from "../../../support/transaction-handlers.ts";
import { until } from "../../../support/until.ts";
import { bytes, failure, withClients } from "../../../support/zookeeper-clients.ts";

const timeout = 30_000;
const path = "/transactions";

const coordinate = (client: ZooKeeper) => TransactionCoordinator.open(client, path);
const takePart = (client: ZooKeeper, name: string, handlers: TransactionHandlers) =>
  TransactionParticipant.open(client, path, name, handlers);

/** Two-phase commits: one outcome everywhere, whoever dies. */
export function twoPhaseCommitTests(connectString: string): void {
  it("commits when all vote for it, and is removed when all have carried it out", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const seen: unknown[] = [];
      const [a, b] = [notingHandlers(async ({ payload }) => seen.push(payload) > 0), notingHandlers()];
      await takePart(await connect(), "a", a);
      await takePart(await connect(), "b", b);
      const coordinator = await coordinate(client);
      const payload = { from: "x", amount: 3 };
      const id = await coordinator.begin({ participants: ["a", "b"], payload });
      assert.deepEqual(await coordinator.outcome(id), { outcome: "committed" });
      await coordinator.finish(id);
      assert.deepEqual(
        [a.notes, b.notes],
        [
          [`prepare ${id}`, `commit ${id}`],
          [`prepare ${id}`, `commit ${id}`],
        ],
      );
      assert.deepEqual(seen, [payload]);
      assert.deepEqual((await client.children(path)).children, []);
      await failure(coordinator.outcome(id), "NO_NODE");
    }),
  );

  it("outlives a lost connection, also with clients that repeat no call", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = [await connect({ retry: "nothing" }), await connect({ retry: "nothing" })];
      const a = notingHandlers();
      const participant = await takePart(client, "a", a);
      const coordinator = await coordinate(other);
      const id = await coordinator.begin({ participants: ["a", "away"], timeoutMs: 2000 });
      await until("the vote is seen", 20_000, () => coordinator.transactions()[0]?.waitsFor.length === 1);
      for (const each of [client, other]) failReads(each, "get", 1, "CONNECTION_LOSS");
      assert.equal((await coordinator.outcome(id)).outcome, "aborted");
      await Promise.race([a.noted(`abort ${id}`), once(participant.ended, "abort")]);
      assert.equal(participant.ended.aborted, false);
    }),
  );

  it("goes on taking part after a server that only reads has refused its vote", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const a = notingHandlers();
      const participant = await takePart(client, "a", a);
      const coordinator = await coordinate(other);
      const { multi } = client;
      const refuse = async () => {
        Object.defineProperty(client, "multi", { value: multi });
        throw new ZooKeeperError("READ_ONLY", "multi: refused in a test");
      };
      Object.defineProperty(client, "multi", { value: refuse, configurable: true });
      const id = await coordinator.begin({ participants: ["a"], timeoutMs: 10_000 });
      assert.deepEqual(await coordinator.outcome(id), { outcome: "committed" });
      await coordinator.finish(id);
      assert.equal(participant.ended.aborted, false);
    }),
  );

  it("knows a transaction that its server has still to hear of", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      await takePart(await connect(), "a", notingHandlers());
      const beginner = await coordinate(await connect());
      const id = await beginner.begin({ participants: ["a"] });
      const { client, lag } = lagging(await connect());
      const other = await coordinate(client);
      lag();
      assert.deepEqual(await other.outcome(id), { outcome: "committed" });
      await other.finish(id);
    }),
  );

  for (const [how, prepare] of [
    ["votes against it", async () => false],
    [
      "cannot prepare",
      async () => {
        throw new Error("the disk is full");
      },
    ],
  ] as const) {
    it(`aborts when one ${how}`, { timeout }, () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        const [a, b] = [notingHandlers(), notingHandlers(prepare)];
        await takePart(client, "a", a);
        await takePart(await connect(), "b", b);
        const coordinator = await coordinate(client);
        const id = await coordinator.begin({ participants: ["a", "b"] });
        assert.deepEqual(await coordinator.outcome(id), { outcome: "aborted", reason: "voted against by b" });
        await coordinator.finish(id);
        assert.deepEqual([a.notes.at(-1), b.notes.at(-1)], [`abort ${id}`, `abort ${id}`]);
      }),
    );
  }

  it("is decided by the participants when its coordinator has died", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const dying = await connect();
      const coordinator = await coordinate(dying);
      await coordinator.begin({ id: "all", participants: ["a", "b"] });
      await coordinator.begin({ id: "late", participants: ["a", "c"], timeoutMs: 300 });
      await dying.close();
      const [a, b] = [notingHandlers(), notingHandlers()];
      await takePart(await connect(), "a", a);
      await takePart(await connect(), "b", b);
      await Promise.all([a.noted("commit all"), b.noted("commit all"), a.noted("abort late")]);
      const next = await coordinate(await connect());
      assert.deepEqual(await next.outcome("all"), { outcome: "committed" });
      assert.deepEqual(await next.outcome("late"), {
        outcome: "aborted",
        reason: "no vote within 300 ms of c",
      });
      await next.finish("all");
    }),
  );

  it("shows for whom it waits, before and after the decision, and since when", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const coordinator = await coordinate(await connect());
      const beforeMs = Date.now();
      const id = await coordinator.begin({ participants: ["a", "b"], timeoutMs: 60_000 });
      const other = await coordinate(await connect());
      const shown = () => other.transactions().find((transaction) => transaction.id === id);
      assert.deepEqual(shown()?.waitsFor, ["a", "b"]);
      assert.equal(shown()?.decision, undefined);
      assert.ok(Math.abs((shown()?.beganMs ?? 0) - beforeMs) < 30_000);
      await takePart(await connect(), "a", notingHandlers());
      await until("it waits for b alone", 20_000, () => shown()?.waitsFor.join() === "b");
      assert.deepEqual(shown()?.participants[0], { name: "a", vote: "yes", isDone: false });
      await takePart(await connect(), "b", { ...notingHandlers(), commit: () => new Promise(() => {}) });
      await until("it waits for b's end", 20_000, () => {
        return shown()?.decision !== undefined && shown()?.waitsFor.join() === "b";
      });
      assert.deepEqual(await other.outcome(id), { outcome: "committed" });
      await failure(other.finish(id, { signal: AbortSignal.abort() }), "ABORTED");
    }),
  );

  it("goes on after a participant has died before its vote, and after it", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const coordinator = await coordinate(await connect());
      const first = await connect();
      const preparing = Promise.withResolvers<void>();
      const dying = await takePart(first, "a", {
        ...notingHandlers(),
        prepare: () => {
          preparing.resolve();
          return new Promise(() => {});
        },
      });
      const id = await coordinator.begin({ participants: ["a", "b"] });
      await preparing.promise;
      await first.close();
      assert.equal(dying.ended.aborted, true);

      const second = await connect();
      const voter = notingHandlers();
      await takePart(second, "a", voter);
      await until("it has voted", 20_000, () => coordinator.transactions()[0]?.waitsFor.join() === "b");
      await second.close();

      const [a, b] = [notingHandlers(), notingHandlers()];
      await takePart(await connect(), "a", a);
      await takePart(await connect(), "b", b);
      await coordinator.finish(id);
      assert.deepEqual(voter.notes, [`prepare ${id}`]);
      assert.deepEqual(a.notes, [`commit ${id}`], "its vote stands");
    }),
  );

  it("keeps the first decision when another one comes later", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const coordinator = await coordinate(client);
      // Nobody votes, so nobody else decides.
      const id = await coordinator.begin({ participants: ["a"] });
      const board = new TransactionBoard(await connect(), path, assert.fail);
      const transaction = await board.read(id);
      assert.ok(transaction !== undefined);
      assert.deepEqual(await board.decide(transaction, { outcome: "aborted", reason: "too late" }), {
        outcome: "aborted",
        reason: "too late",
      });
      const decided = await board.decide(transaction, { outcome: "committed" });
      assert.equal(decided?.outcome, "aborted");
      assert.equal((await coordinator.outcome(id)).outcome, "aborted");
    }),
  );

  it("has one outcome when one decides to abort while the last vote comes", { timeout: 60_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const coordinators = await Promise.all([coordinate(client), coordinate(other)]);
      const slow = () => notingHandlers(() => new Promise((resolve) => setTimeout(resolve, 20, true)));
      const [a, b] = [notingHandlers(), slow()];
      await takePart(client, "a", a);
      await takePart(other, "b", b);
      for (let timeoutMs = 5; timeoutMs < 55; timeoutMs += 2) {
        const id = await coordinators[0].begin({ participants: ["a", "b"], timeoutMs });
        const outcomes = await Promise.all(coordinators.map((each) => each.outcome(id)));
        assert.deepEqual(outcomes[0], outcomes[1]);
        await coordinators[0].finish(id);
        const told = outcomes[0]?.outcome === "committed" ? "commit" : "abort";
        for (const { notes } of [a, b]) {
          const own = notes.filter((note) => note.endsWith(id) && !note.startsWith("prepare"));
          assert.deepEqual([...new Set(own)], [`${told} ${id}`]);
        }
      }
    }),
  );

  for (const what of ["answers", "requests"] as const) {
    it(`votes, decides and ends once when ${what} are lost`, { timeout }, () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        const lost = [loseAnswers(client, "multi", what), loseAnswers(client, "set", what)];
        const handlers = notingHandlers();
        await takePart(client, "a", handlers);
        const coordinator = await coordinate(client);
        for (const id of ["one", "two", "three"]) {
          assert.equal(await coordinator.begin({ id, participants: ["a"] }), id);
          assert.deepEqual(await coordinator.outcome(id), { outcome: "committed" });
          await coordinator.finish(id);
          assert.equal(handlers.notes.filter((note) => note === `commit ${id}`).length, 1);
        }
        assert.ok(lost.every((count) => count() >= 3));
        assert.deepEqual((await client.children(path)).children, []);
      }),
    );
  }

  it("calls what has failed again until it is carried out", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      let calls = 0;
      const commit = async () => {
        if (++calls === 1) throw new Error("not now");
      };
      await takePart(client, "a", { ...notingHandlers(), commit });
      const coordinator = await coordinate(client);
      await coordinator.finish(await coordinator.begin({ participants: ["a"] }));
      assert.equal(calls, 2);
    }),
  );

  it("begins a transaction once, and refuses another one of the same id", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const coordinator = await coordinate(client);
      const request = { id: "order", participants: ["a"], payload: 1 };
      await coordinator.begin(request);
      await coordinator.begin(request);
      await failure(coordinator.begin({ ...request, payload: 2 }), "NODE_EXISTS");
      await takePart(client, "a", notingHandlers());
      await coordinator.outcome("order");
      await coordinator.begin(request);
      assert.deepEqual(await coordinator.outcome("order"), { outcome: "committed" });
    }),
  );

  it("leaves alone what is no transaction", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create(path);
      for (const [index, data] of ["", "[1]", "null", '{"participants":"a"}'].entries()) {
        await client.create(`${path}/other-${index}`, bytes(data));
      }
      const participant = await takePart(client, "a", notingHandlers());
      const coordinator = await coordinate(client);
      await coordinator.finish(await coordinator.begin({ participants: ["a"] }));
      await until("none is shown", 20_000, () => coordinator.transactions().length === 0);
      assert.equal(participant.ended.aborted, false);
    }),
  );

  it("ends its waits with its session", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const coordinator = await coordinate(client);
      const outcome = coordinator.outcome(await coordinator.begin({ participants: ["a"] }));
      const expected = failure(outcome, "CLOSED");
      await client.close();
      await expected;
    }),
  );

  it("refuses what a transaction cannot have, and says what it can", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const coordinator = await coordinate(await connect());
      for (const [request, message] of [
        [{ participants: [] }, /there are 0 participants; allowed: 1 to 500, each once/],
        [{ participants: ["a", "a"] }, /2 participants; allowed: 1 to 500, each once/],
        [{ participants: ["a/b"] }, /"a\/b"; allowed: the name of a znode/],
        [{ participants: ["."] }, /none of its names may be/],
        [{ participants: ["a"], timeoutMs: 2 ** 31 }, /timeoutMs is 2147483648; it must be/],
        [{ participants: ["a"], payload: { big: 1n } }, /the transaction cannot be written as JSON/],
        [{ participants: ["a"], payload: "x".repeat(600_000) }, /bytes as JSON; allowed: 524288/],
      ] as const) {
        assert.match((await failure(coordinator.begin(request), "BAD_ARGUMENTS")).message, message);
      }
      for (const [id, message] of [
        ["a/b", /id of the transaction is "a\/b"; allowed: the name of a znode/],
        [7 as unknown as string, /id of the transaction is 7/],
        ["", /none of its names may be/],
      ] as const) {
        for (const call of [coordinator.outcome(id), coordinator.finish(id)])
          assert.match((await failure(call, "BAD_ARGUMENTS")).message, message);
      }
    }),
  );
}

/**
 * A client whose server finds nothing from `lag` on until it has caught up. To be called just before a read: the events of a
 * real server come in order with what it has, so those that a cache follows must not come meanwhile.
 */
function lagging(target: ZooKeeper): { client: ZooKeeper; lag: () => void } {
  let lags = false;
  const client = new Proxy(target, {
    get(_, name: keyof ZooKeeper) {
      const found = target[name];
      if (typeof found !== "function") return found;
      if (name === "get" && lags) return async () => Promise.reject(new ZooKeeperError("NO_NODE", "it lags"));
      if (name === "sync") lags = false;
      return found.bind(target);
    },
  });
  const lag = () => {
    lags = true;
  };
  return { client, lag };
}
