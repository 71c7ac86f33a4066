import assert from "node:assert/strict";
import {
  TransactionCoordinator,
  type TransactionHandlers,
  TransactionParticipant,
  ZooKeeperError,
} from "../../../../src/zookeeper/index.ts";
import type { NemesisClient } from "../client.ts";
import { pause } from "../faults.ts";
import { leavesNothing, type Round, type Workload } from "../workload.ts";

const TRANSACTIONS = 4;

/** What each participant and coordinator was told of each transaction: `name: commit`. */
const outcomes = new WeakMap<Round, Map<string, Set<string>>>();

/** Each transaction has one outcome everywhere, which all participants carry out; a "no" aborts it. */
export const twoPhaseCommitWorkload: Workload = {
  name: "two-phase-commit",
  async run(round) {
    outcomes.set(round, new Map());
    const allDone = new AbortController();
    const others = round.clients.slice(1);
    const coordinateAll = async () => {
      for (let index = 0; index < TRANSACTIONS; index++) await transact(round, `transaction-${index}`);
      allDone.abort();
    };
    await Promise.all([coordinateAll(), ...others.map((client) => takePart(round, client, allDone.signal))]);
  },
  async check(round) {
    for (const [id, told] of outcomes.get(round) ?? []) {
      const kinds = new Set([...told].map((each) => each.split(": ")[1]));
      assert.equal(kinds.size, 1, `${id} has several outcomes: ${[...told].join("; ")}`);
      const names = new Set([...told].map((each) => each.split(": ")[0]));
      for (const { name } of round.clients.slice(1))
        assert.ok(names.has(name), `${id} was not done by ${name}`);
    }
    await leavesNothing(round, round.path);
  },
};

/** The first client begins it, and it or another one ends it. */
async function transact(round: Round, id: string): Promise<void> {
  const [beginner, ...others] = round.clients;
  const participants = others.map(({ name }) => name);
  const timeoutMs = round.random() < 0.3 ? 30 : 2000;
  await beginner?.perform((session) =>
    coordinate(round, session, async (coordinator) => {
      await coordinator.begin({ id, participants, timeoutMs });
    }),
  );
  const finisher = round.random() < 0.5 ? beginner : others[0];
  await finisher?.perform((session) =>
    coordinate(round, session, (coordinator) => finish(round, coordinator, id)),
  );
}

async function coordinate(
  { path, signal }: Round,
  session: Parameters<typeof TransactionCoordinator.open>[0],
  work: (coordinator: TransactionCoordinator) => Promise<void>,
): Promise<void> {
  const coordinator = await TransactionCoordinator.open(session, path, { signal });
  try {
    await work(coordinator);
  } finally {
    coordinator.close();
  }
}

async function finish(round: Round, coordinator: TransactionCoordinator, id: string): Promise<void> {
  try {
    const { outcome } = await coordinator.outcome(id, { signal: round.signal });
    note(round, id, "coordinator", outcome);
    await coordinator.finish(id, { signal: round.signal });
  } catch (error) {
    // Finished by the session before, of which the answer was lost.
    if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
  }
}

/** Takes part in one session after another. */
async function takePart(round: Round, client: NemesisClient, done: AbortSignal): Promise<void> {
  const { path, random } = round;
  const handlers: TransactionHandlers = {
    async prepare({ id }) {
      await pause(random() * 20);
      // The same vote in each life, as of a participant that keeps a log.
      return !(id.endsWith("1") && client.name.endsWith("3"));
    },
    commit: async ({ id }) => note(round, id, client.name, "committed"),
    abort: async ({ id }) => note(round, id, client.name, "aborted"),
  };
  while (!done.aborted) {
    await client.perform(async (session) => {
      const participant = await TransactionParticipant.open(session, path, client.name, handlers, {
        signal: round.signal,
      });
      const over = AbortSignal.any([done, round.signal, participant.ended]);
      if (!over.aborted)
        await new Promise((resolve) => over.addEventListener("abort", resolve, { once: true }));
      participant.close();
    });
    round.signal.throwIfAborted();
  }
}

function note(round: Round, id: string, name: string, outcome: string): void {
  const all = outcomes.get(round) ?? assert.fail();
  all.set(id, (all.get(id) ?? new Set()).add(`${name}: ${outcome}`));
}
