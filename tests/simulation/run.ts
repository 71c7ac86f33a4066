import { placeOfGroup } from "../../src/cluster/ring/placement.ts";
import type { History } from "../checker/history.ts";
import { checkLinearizability } from "../checker/linearizability.ts";
import { describeViolation } from "../checker/report.ts";
import { type StoreOperation, storeModel } from "../checker/store-model.ts";
import type { GroupFacts } from "./checks/group-facts.ts";
import { historiesOf, problemWithAnswerOver, takenOver } from "./checks/histories.ts";
import { problemWithAnswers, problemWithLog, problemWithRecords } from "./checks/log-check.ts";
import type { RingFacts } from "./checks/ring-facts.ts";
import { keysOf } from "./clients/errands.ts";
import { withLog } from "./clients/learnt.ts";
import { Nemesis } from "./faults/nemesis.ts";
import { type FaultKind, type PlannedFault, planOf } from "./faults/plan.ts";
import { Cluster } from "./world/cluster.ts";
import { guard } from "./world/guards.ts";
import { Random } from "./world/random.ts";
import { count, createWorld, profileOf, type World } from "./world/world.ts";

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
  /** Undefined unless they were kept. */
  readonly lines: readonly string[] | undefined;
}

export interface RunOptions {
  /** Keep what happened as lines. */
  readonly keepLines?: boolean;
  /** Kinds of faults that are to be frequent. */
  readonly focus?: readonly FaultKind[];
  /** In place of the seed's own. */
  readonly plan?: readonly PlannedFault[];
}

/** How long a cluster without faults may take until everything works again. */
const healedWithinMs = 60_000;

/** How long the changes of the ring may take then that are under way or wait. */
const ringWithinMs = 120_000;

/** How long keys that have gone to another group may be in a log after that. */
const strayMs = 20_000;

/** How long an open watch may take then to be told of everything: less than what is told of itself now and then. */
const toldWithinMs = 8000;

/** Runs one cluster from its start to its end. A pure function of the seed and the plan. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  // Where the logs of a whole group are lost, nobody could say which keys are to be where.
  const isFixed = options.focus?.includes("lost group") ?? false;
  const world = createWorld(seed, options.keepLines ?? false, profileOf(seed, isFixed));
  const cluster = new Cluster(world);
  const { scheduler, profile, invariants } = world;
  const endGuard = guard((what) => invariants.violated(what));
  try {
    const nemesis = new Nemesis(world, cluster, options.plan ?? planOf(seed, profile, options.focus));
    cluster.start();
    await scheduler.runUntil(profile.faultsMs, () => invariants.violation !== undefined);
    if (invariants.violation === undefined) await heal(world, cluster, nemesis);
  } finally {
    endGuard();
  }
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

/** Ends all faults, and waits until every key can be written and read again. An operator recovers what is lost. */
async function heal(world: World, cluster: Cluster, nemesis: Nemesis): Promise<void> {
  const { scheduler, profile, invariants, trace } = world;
  trace.note(scheduler.nowMs, "nemesis", "all faults end");
  nemesis.end();
  world.network.isCalm = true;
  for (const group of profile.groups) cluster.operator.lookAfter(group);
  for (const client of cluster.clients) client.isQuiet = true;
  const left = new Set<string>();
  const [client] = cluster.clients;
  const serve = async (key: string) => {
    left.add(key);
    while (!(await client?.probe("put", key))) {}
    while (!(await client?.probe("get", key))) {}
    left.delete(key);
  };
  for (const key of profile.keys) void serve(key);
  const isWhole = (group: string) => cluster.isRetired(group) || cluster.isWhole(group);
  const isServed = () => left.size === 0 && profile.groups.every(isWhole);
  const holdsUntil: HoldsUntil = async (withinMs, isOver) => {
    await scheduler.runUntil(
      scheduler.nowMs + withinMs,
      () => isOver() || invariants.violation !== undefined,
    );
    return isOver();
  };
  if (!(await holdsUntil(healedWithinMs, isServed))) {
    const what = left.size > 0 ? `${[...left].join(", ")} cannot be used` : "not all nodes are in sync";
    invariants.violated(`${healedWithinMs / 1000} s after the last fault ${what}`);
  }
  if (invariants.ring !== undefined) await settleRing(cluster, invariants.ring, holdsUntil);
  for (const watch of cluster.watches) watch.hurry();
  const fromMs = scheduler.nowMs;
  const behind = () => cluster.watches.filter(({ isCurrent }) => !isCurrent);
  // A connection that died without a word is noticed in its own time.
  const late = () =>
    behind().find(({ openSinceMs }) => scheduler.nowMs - Math.max(openSinceMs, fromMs) > toldWithinMs);
  await holdsUntil(healedWithinMs, () => behind().length === 0 || late() !== undefined);
  const [watch] = behind();
  if (watch === undefined) return;
  invariants.violated(`everything works, and a watch is not told of it: ${(late() ?? watch).name}`);
}

type HoldsUntil = (withinMs: number, isOver: () => boolean) => Promise<boolean>;

/** Waits until the ring changes no more and every key is where it belongs. Now and then a change stays paused. */
async function settleRing(cluster: Cluster, ring: RingFacts, holdsUntil: HoldsUntil): Promise<void> {
  const { ringOperator, operator, world } = cluster;
  const { invariants, scheduler, profile } = world;
  const staysPaused = ring.ring?.change?.paused === true && new Random(`${world.seed} paused`).chance(0.3);
  const hurry = () => {
    if (!staysPaused) ringOperator.hurry();
    scheduler.after(1000, "ring hurries", hurry);
  };
  hurry();
  const isOver = () => {
    const state = ring.ring;
    if (state === undefined || (state.change !== undefined && !staysPaused)) return false;
    return profile.groups.every((group) => placeOfGroup(state, group) !== "new" || cluster.isRetired(group));
  };
  if (!(await holdsUntil(ringWithinMs, isOver)) && ring.isExact) {
    invariants.violated(`${ringWithinMs / 1000} s after the last fault the ring still changes`);
  }
  if (staysPaused) count(world, "ring change stays paused");
  const astray = () => {
    for (const { name, group, store, isRetired } of cluster.nodes) {
      if (isRetired) continue;
      const problem = store === undefined ? "is not open" : ring.problemWithPlace(group, store);
      if (problem !== undefined) return `${name} ${problem}`;
    }
    return undefined;
  };
  await holdsUntil(strayMs, () => astray() === undefined);
  const problem = astray();
  if (problem !== undefined && ring.isExact)
    invariants.violated(`everything works, and the log of ${problem}`);
  let left = cluster.routers.length;
  for (const { name } of cluster.routers) void operator.checkShares(name, ring).then(() => left--);
  await holdsUntil(strayMs, () => left === 0);
}

function check(world: World, cluster: Cluster): void {
  const { invariants } = world;
  const history = cluster.history.history();
  if (invariants.ring !== undefined) {
    const problem = problemWithMoved(world, invariants.ring, history);
    if (problem !== undefined) invariants.violated(problem);
    return;
  }
  for (const group of invariants.groups.values()) {
    const calls = history.filter(
      ({ operation }) => cluster.groupOf(keysOf(operation)[0] ?? "") === group.name,
    );
    const problem = problemWithGroup(world, group, calls);
    if (problem !== undefined) invariants.violated(problem);
  }
}

/** What is wrong with what clients were told of keys that may have been in several groups. */
function problemWithMoved(
  world: World,
  ring: RingFacts,
  history: History<StoreOperation>,
): string | undefined {
  if (!ring.isExact) {
    count(world, "history over moves not known");
    return undefined;
  }
  const groups = [...world.invariants.groups.values()];
  for (const group of groups) {
    const problem = problemWithRecords(group);
    if (problem !== undefined) return `group ${group.name}: ${problem}`;
  }
  const problem = problemWithAnswers((revision, key) => ring.writeOf(key, revision)?.record, history);
  if (problem !== undefined) return problem;
  const told = withLog(
    history,
    groups.map(({ era }) => era),
  );
  return problemWithHistory(told);
}

function problemWithHistory(history: History<StoreOperation>): string | undefined {
  const verdict = checkLinearizability(storeModel, history);
  if (verdict.verdict === "violation") return describeViolation(storeModel, verdict.violation).join("\n");
  return verdict.verdict === "undecided" ? `undecided: ${verdict.parts.join(", ")}` : undefined;
}

function problemWithGroup(
  world: World,
  group: GroupFacts,
  calls: History<StoreOperation>,
): string | undefined {
  const histories = historiesOf(group, calls);
  for (const { era, calls } of histories) {
    const problem = problemWithLog(era, calls);
    if (problem !== undefined) return `group ${group.name}: ${problem}`;
  }
  const problem = problemWithAnswerOver(group, calls);
  if (problem !== undefined) return `group ${group.name}, over a recovery: ${problem}`;
  for (const { era, calls } of histories) {
    const taken = takenOver(era);
    if (taken === undefined) {
      count(world, "recovered history not known");
      continue;
    }
    const problem = problemWithHistory([...taken, ...calls]);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
