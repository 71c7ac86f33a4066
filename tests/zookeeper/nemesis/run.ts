import { ZooKeeper } from "../../../src/zookeeper/index.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { NemesisClient } from "./client.ts";
import { pause, strike, type Victims } from "./faults.ts";
import type { Round, Workload } from "./workload.ts";

const CLIENTS = 4;
/** Faults of a round, one after another. */
const FAULTS_MAX = 2;
/** How long a round may take on a busy machine when all is healed. */
const ROUND_MS_MAX = 90_000;

export interface NemesisSettings {
  readonly seed: number;
  readonly rounds: number;
  /** All of them run in each round, next to each other. */
  readonly workloads: readonly Workload[];
  onProgress?(rounds: number, faults: ReadonlyMap<string, number>): void;
}

export interface NemesisResult {
  /** Rounds that were ended well. */
  readonly rounds: number;
  /** How often each fault came. */
  readonly faults: ReadonlyMap<string, number>;
  /** The first promise that was broken. */
  readonly violation: string | undefined;
}

/** Runs workloads on an ensemble of three under faults, until a promise is broken. */
export async function runNemesis({
  seed,
  rounds,
  workloads,
  onProgress,
}: NemesisSettings): Promise<NemesisResult> {
  const random = seededRandom(seed);
  const faults = new Map<string, number>();
  const ensemble = await startZooKeeper({ members: 3 });
  const members = ensemble.members.map(({ address }) => address);
  const names = Array.from({ length: CLIENTS }, (_, index) => `client ${index + 1}`);
  const clients = await Promise.all(names.map((name) => NemesisClient.start(name, members)));
  const observer = await ZooKeeper.connect({ servers: ensemble.connectString, sessionTimeoutMs: 60_000 });
  const victims: Victims = { ensemble, clients, random };
  try {
    for (let round = 1; round <= rounds; round++) {
      const struck: string[] = [];
      try {
        await runRound(round, victims, observer, workloads, struck);
      } catch (error) {
        const left = await treeOf(
          observer,
          workloads.map(({ name }) => `/${name}/${round}`),
        );
        const story = `round ${round}, with ${struck.join(" and ")}: ${describe(error)}\n${left.join("\n")}`;
        return { rounds: round - 1, faults, violation: story };
      }
      for (const name of struck) faults.set(name, (faults.get(name) ?? 0) + 1);
      onProgress?.(round, faults);
    }
    return { rounds, faults, violation: undefined };
  } finally {
    for (const member of ensemble.members) member.thaw();
    await Promise.all(clients.map((client) => client.close()));
    await observer.close();
    await ensemble.close();
  }
}

async function runRound(
  number: number,
  victims: Victims,
  observer: ZooKeeper,
  workloads: readonly Workload[],
  struck: string[],
): Promise<void> {
  const { clients, random } = victims;
  // All are there when the round begins, so that the faults meet them at work.
  await Promise.all(clients.map((client) => client.session()));
  const tooLong = new AbortController();
  const timer = setTimeout(
    () => tooLong.abort(new Error(`the round has taken ${ROUND_MS_MAX} ms`)),
    ROUND_MS_MAX,
  );
  try {
    const runs = workloads.map(async (workload) => {
      const path = `/${workload.name}/${number}`;
      const round: Round = { path, clients, observer, random, signal: tooLong.signal };
      await named(workload, workload.run(round));
      return () => named(workload, workload.check(round));
    });
    const [checks] = await Promise.all([Promise.all(runs), strikeAll(victims, struck)]);
    await Promise.all(checks.map((check) => check()));
  } finally {
    clearTimeout(timer);
  }
}

async function strikeAll(victims: Victims, struck: string[]): Promise<void> {
  const count = 1 + Math.floor(victims.random() * FAULTS_MAX);
  for (let i = 0; i < count; i++) {
    await pause(victims.random() * 40);
    await strike(victims, (name) => struck.push(name));
  }
}

async function named(workload: Workload, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Error(workload.name, { cause: error });
  }
}

/** What there is at some paths and below, with the sessions that own it. */
async function treeOf(observer: ZooKeeper, paths: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const path of paths) {
    const stat = await observer.exists(path);
    if (stat === undefined) continue;
    const { version, ephemeralOwner } = stat;
    lines.push(`${path} version ${version} owner 0x${ephemeralOwner.toString(16)}`);
    const { children } = await observer.children(path);
    lines.push(
      ...(await treeOf(
        observer,
        children.sort().map((name) => `${path}/${name}`),
      )),
    );
  }
  return lines;
}

/** An error and its causes. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}
