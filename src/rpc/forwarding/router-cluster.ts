import { type Deadline, signalOf } from "../../client/deadline.ts";
import { KvError } from "../../client/errors.ts";
import type { ServerLink } from "../../client/servers.ts";
import type { RingSearch, RingView, StreamCluster } from "../../client/stream-cluster.ts";
import type { RemovedGroup, Topology } from "../../cluster/metadata/model.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { TopologySource } from "../../cluster/metadata/topology.ts";
import { noRingReason, placementOf, primaryOf } from "../../cluster/ring/placement.ts";
import type { Clock } from "../../common/clock.ts";
import { Deadlines } from "../../common/deadlines.ts";
import { awaitPrimary, awaitRing } from "./primary-wait.ts";

/** The cluster as a router knows it, for streams that it merges. Waits for primaries as all forwarded calls do. */
export class RouterCluster implements StreamCluster {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly #source: TopologySource;
  readonly #serverAt: (address: string) => ServerLink;

  constructor(source: TopologySource, clock: Clock, serverAt: (address: string) => ServerLink) {
    this.clock = clock;
    this.deadlines = new Deadlines(clock);
    this.#source = source;
    this.#serverAt = serverAt;
  }

  get view(): RingView | undefined {
    return this.#source.current && viewOf(this.#source.current);
  }

  async find<T>({ look, missing, deadline }: RingSearch<T>): Promise<T> {
    const found = this.view && look(this.view);
    if (found !== undefined) return found;
    let result: T | undefined;
    const suits = (topology: Topology) => {
      result = look(viewOf(topology));
      return result !== undefined;
    };
    const reason = (topology: Topology) => missing(viewOf(topology));
    await within(deadline, (signal) => awaitRing(this.#source, this.clock, { suits, reason, signal }));
    return result as T;
  }

  onView(listener: (view: RingView) => void): () => void {
    return this.#source.onChange((topology) => listener(viewOf(topology)));
  }

  serverOf(group: string, deadline: Deadline, redirected?: string): ServerLink | Promise<ServerLink> {
    const known = redirected ?? primaryOf(this.#source.current?.groups.get(group))?.address;
    if (known !== undefined) return this.#serverAt(known);
    return within(deadline, async (signal) => {
      const { address } = await awaitPrimary(this.#source, this.clock, () => group, signal);
      return this.#serverAt(address);
    });
  }

  /** A router has no other to go to. A primary that cannot be reached is replaced sooner or later. */
  failed(): void {}
}

function viewOf(topology: Topology): RingView {
  const state = topology.ring?.value;
  return {
    clusterId: topology.cluster ?? "",
    ringVersion: BigInt(state?.version ?? 0),
    nextChange: BigInt(state?.change?.id ?? (state?.version ?? 0) + 1),
    ring: state === undefined ? { owner: () => undefined, moveOf: () => undefined } : placementOf(state),
    groups: new Set([...(state?.groups ?? []), ...(state?.change?.groups ?? [])]),
    removed: new Map((state?.removed ?? []).map((group) => [group.group, removedOf(group)])),
    empty: noRingReason(topology),
  };
}

function removedOf({ ringVersion, firstEpoch, lastEpoch }: RemovedGroup) {
  return {
    ringVersion: BigInt(ringVersion),
    firstEpoch: BigInt(firstEpoch),
    lastEpoch: BigInt(lastEpoch),
  };
}

async function within<T>(deadline: Deadline, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await wait(signalOf(deadline));
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    throw new KvError("unavailable", error.message, { cause: error });
  }
}
