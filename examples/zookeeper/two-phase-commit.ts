// Money that goes from one bank to another, or not at all. Start ZooKeeper, then in three terminals:
//
//   npx bun examples/zookeeper/two-phase-commit.ts bank alpha 100
//   npx node examples/zookeeper/two-phase-commit.ts bank beta 20     (the same on Node.js)
//   npx bun examples/zookeeper/two-phase-commit.ts transfer alpha beta 70
//
// The second transfer of 70 is aborted, as alpha votes against it. Kill the transfer or a bank in between: whoever is
// started again goes on with it. A real bank keeps on disk what these keep in memory, so that they still know it then.
// ZK_SERVERS names the servers, 127.0.0.1:2181 if it is not set.

import process from "node:process";
import { TransactionCoordinator, TransactionParticipant, ZooKeeper } from "kvlab/zookeeper";

const path = "/examples/transfers";

interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

function isTransfer(payload: unknown): payload is Transfer {
  if (typeof payload !== "object" || payload === null) return false;
  return "from" in payload && "to" in payload && "amount" in payload && Number(payload.amount) > 0;
}

/** What a bank has to give or take away; undefined for what is no transfer. */
function changeOf(name: string, payload: unknown): number | undefined {
  if (!isTransfer(payload)) return undefined;
  return payload.from === name ? -payload.amount : payload.amount;
}

async function runBank(client: ZooKeeper, name: string, money: number): Promise<void> {
  let balance = money;
  /** What it has promised, by transaction, and what is done. Each call may come again, and then changes nothing. */
  const promised = new Map<string, number>();
  const committed = new Set<string>();
  const participant = await TransactionParticipant.open(client, path, name, {
    async prepare({ id, payload }) {
      const change = changeOf(name, payload);
      const left = [...promised.values()].reduce((sum, each) => sum + Math.min(0, each), balance);
      if (change === undefined || (!promised.has(id) && left + change < 0)) return false;
      promised.set(id, change);
      return true;
    },
    async commit({ id, payload }) {
      if (committed.has(id)) return;
      committed.add(id);
      promised.delete(id);
      balance += changeOf(name, payload) ?? 0;
      console.log(`${name} has ${balance}`);
    },
    async abort({ id }) {
      promised.delete(id);
      console.log(`${name} still has ${balance}`);
    },
  });
  console.log(`${name} is open with ${balance}`);
  process.once("SIGINT", () => participant.close());
  process.once("SIGTERM", () => participant.close());
  await new Promise((resolve) => participant.ended.addEventListener("abort", resolve));
}

async function transfer(client: ZooKeeper, payload: Transfer): Promise<void> {
  const coordinator = await TransactionCoordinator.open(client, path);
  for (const { id, waitsFor } of coordinator.transactions()) {
    console.log(`${id} waits for ${waitsFor.join(", ")}`);
  }
  const id = await coordinator.begin({
    participants: [payload.from, payload.to],
    payload,
    timeoutMs: 10_000,
  });
  const { outcome, reason } = await coordinator.outcome(id);
  console.log(reason === undefined ? outcome : `${outcome}: ${reason}`);
  await coordinator.finish(id);
  coordinator.close();
}

const [verb, ...args] = process.argv.slice(2);
const client = await ZooKeeper.connect({ servers: process.env.ZK_SERVERS ?? "127.0.0.1:2181" });
try {
  const [first = "alpha", second = "beta", third] = args;
  if (verb === "bank") await runBank(client, first, Number(second));
  else await transfer(client, { from: first, to: second, amount: Number(third) });
} finally {
  await client.close();
}
