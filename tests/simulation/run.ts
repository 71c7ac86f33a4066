import { checkLinearizability } from "../checker/linearizability.ts";
import { keyValueModel } from "../checker/key-value-model.ts";
import { Cluster } from "./cluster.ts";
import { createWorld, type World } from "./world.ts";

export interface RunResult {
  readonly seed: number;
  /** Undefined when everything held. */
  readonly violation: string | undefined;
  /** The same for two runs only if they went the same way. */
  readonly digest: string;
  readonly virtualMs: number;
  readonly events: number;
  readonly calls: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly lines: readonly string[] | undefined;
}

/** How long a cluster without faults may take until everything works again. */
const healedWithinMs = 60_000;

export async function runSeed(seed: number, options: { keepLines?: boolean } = {}): Promise<RunResult> {
  const world = await createWorld(seed, options.keepLines ?? false);
  const cluster = new Cluster(world);
  for (const host of cluster.hosts) host.start();
  const { scheduler, profile, invariants } = world;
  await scheduler.runUntil(profile.faultsMs, () => invariants.violation !== undefined);
  if (invariants.violation === undefined) await heal(world, cluster);
  if (invariants.violation === undefined) check(world, cluster);
  return {
    seed,
    violation: invariants.violation,
    digest: world.trace.digest,
    virtualMs: scheduler.nowMs,
    events: scheduler.count,
    calls: cluster.history.history().length,
    counts: world.counts,
    lines: world.trace.lines,
  };
}

/** Ends all faults, and waits until every key can be written and read again. */
async function heal({ scheduler, profile, invariants, trace }: World, cluster: Cluster): Promise<void> {
  trace.note(scheduler.nowMs, "test", "all faults end");
  for (const client of cluster.clients) client.isQuiet = true;
  const left = new Set<string>();
  const [client] = cluster.clients;
  const serve = async (key: string) => {
    left.add(key);
    while (!(await client?.act({ kind: "put", key }))) {}
    while (!(await client?.act({ kind: "get", key }))) {}
    left.delete(key);
  };
  for (const key of profile.keys) void serve(key);
  const isOver = () => left.size === 0 || invariants.violation !== undefined;
  await scheduler.runUntil(scheduler.nowMs + healedWithinMs, isOver);
  if (left.size > 0) {
    invariants.violated(`${healedWithinMs / 1000} s after the last fault ${[...left].join(", ")} cannot be used`);
  }
}

function check({ invariants }: World, { history }: Cluster): void {
  const verdict = checkLinearizability(keyValueModel, history.history());
  if (verdict.verdict === "violation") {
    const { violation } = verdict;
    const calls = violation.conflict.map(({ operation }) => keyValueModel.describe(operation));
    invariants.violated(`not linearizable: ${calls.join("; ")}`);
  } else if (verdict.verdict === "undecided") invariants.violated(`undecided: ${verdict.parts.join(", ")}`);
}
