import { measureLoad } from "./measure.ts";
import type { Peer, ProgramName } from "./peers/peer.ts";
import type { Side } from "./side.ts";
import type { FailedResult, Suite, Workload } from "./suite.ts";

export interface LoadSuite<W extends Workload> {
  readonly name: string;
  readonly needs: readonly ProgramName[];
  readonly workloads: readonly W[];
  /** Starts what `sidesOf` needs. What it has started before it rejects, it has ended. */
  open(): Promise<{
    readonly peers: readonly Peer[];
    sidesOf(workload: W): readonly Side[];
    close(): Promise<void>;
  }>;
}

/** A suite whose workloads all put load on the same clusters. */
export function loadSuite<W extends Workload>({ name, needs, workloads, open }: LoadSuite<W>): Suite {
  return {
    name,
    needs,
    names: workloads.map((workload) => workload.name),
    async *run(names, options) {
      options.progress(`${name}: clusters start`);
      const { peers, sidesOf, close } = await open();
      try {
        for (const peer of peers) options.version(peer.name, peer.version);
        for (const workload of workloads.filter((each) => names.includes(each.name))) {
          yield await measureLoad(workload, sidesOf(workload), options).catch((error) =>
            failed(workload.name, error),
          );
        }
      } finally {
        await close();
      }
    },
  };
}

export function failed(name: string, reason: unknown): FailedResult {
  return { kind: "failed", name, why: reason instanceof Error ? reason.message : String(reason) };
}

/** Starts clusters one after another. When one does not start, those before it are ended. */
export async function startAll<P extends Peer>(
  starts: readonly (() => Promise<P>)[],
): Promise<{ peers: readonly P[]; close: () => Promise<void> }> {
  const peers: P[] = [];
  const close = async () => {
    for (const peer of peers) await peer.close();
  };
  try {
    for (const start of starts) peers.push(await start());
    return { peers, close };
  } catch (error) {
    await close();
    throw error;
  }
}
