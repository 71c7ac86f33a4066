import type { Clock } from "../../common/clock.ts";
import type { Access, Coordination } from "../../coordination/coordination.ts";
import { type CasRegister, ringRegister } from "../metadata/cas-register.ts";
import { withoutRepetition } from "../metadata/diagnostics.ts";
import type { RingShape, RingState, Topology, Versioned } from "../metadata/model.ts";
import type { MisplacedKeys, PeerAt } from "../replication/peer.ts";
import { placeOfGroup } from "../ring/placement.ts";
import { queuedRequestsMax, requested, shapeAfter } from "../ring/ring-change.ts";
import { allKeysOf, countMisplaced } from "./misplaced-keys.ts";

/** Longest wait for a primary's answer about its keys. */
const countTimeoutMs = 5000;

/** Pause before a group that held keys of its own is asked again: to count them is work for it. */
const foreignKeysRetryMs = 30_000;

export interface RingAdmissionOptions {
  readonly session: Coordination;
  readonly clock: Clock;
  readonly access: Access;
  readonly peerAt: PeerAt;
  /** Virtual nodes of the ring, if it is created here. */
  readonly virtualNodes: number;
  /** Whether new groups enter the ring by themselves, or wait for an operator. */
  readonly newGroups: NewGroups;
  readonly log: (message: string) => void;
  readonly signal: AbortSignal;
}

export type NewGroups = "enter" | "wait";

/** Creates the ring with the registered groups, and has new groups enter it. */
export class RingAdmission {
  readonly #options: RingAdmissionOptions;
  readonly #register: CasRegister<RingState>;
  readonly #tell: (message: string) => void;
  /** Groups that held keys of their own, and when to ask them again, in monotonic milliseconds. */
  readonly #foreign = new Map<string, number>();

  constructor(options: RingAdmissionOptions) {
    const { session, access, log } = options;
    this.#options = options;
    this.#register = ringRegister({ session: () => session, access });
    this.#tell = withoutRepetition(log);
  }

  /** Makes at most one change of the ring. Others follow with the next topology, which shows it. */
  async admit(topology: Topology): Promise<void> {
    const { virtualNodes, newGroups, log } = this.#options;
    const { ring, groups } = topology;
    const ready = [...groups.values()].filter(({ state }) => state !== undefined);
    const names = ready.map(({ name }) => name).sort();
    if (ring === undefined) {
      if (names.length === 0) return;
      await this.#register.create({ version: 1, virtualNodes, groups: names, written: false });
      log(`the ring is made, of ${names.join(", ")}`);
      return;
    }
    if (newGroups === "wait") return;
    for (const name of names.filter((each) => placeOfGroup(ring.value, each) === "new")) {
      const next = await this.#entered(topology, ring, name);
      if (next === undefined) continue;
      await this.#register.compareAndSet(next, ring.version);
      const place = placeOfGroup(next, name);
      if (place === "in") log(`group "${name}" is now in the ring`);
      else if (place === "queued") log(`group "${name}" enters the ring after the changes before it`);
      else
        log(`group "${name}" enters the ring, and takes its share of the keys: ring change ${next.version}`);
      return;
    }
  }

  /** The ring after the group has begun to enter it. Undefined when it cannot be let in now. */
  async #entered(
    topology: Topology,
    { value: ring }: Versioned<RingState>,
    group: string,
  ): Promise<RingState | undefined> {
    const request = { kind: "add", group } as const;
    if (!ring.written) {
      const takes = await this.#takesKeys(topology, shapeAfter(ring, request));
      if (takes === false) return requested(ring, request);
      // The keys are those of logs that were there before: they move as those do that are written now.
      if (takes === undefined) return undefined;
    }
    if ((ring.queue?.length ?? 0) >= queuedRequestsMax) return undefined;
    if (!(await this.#isEmpty(topology, ring, group))) return undefined;
    return requested({ ...ring, written: true }, request);
  }

  /** Whether a ring would assign keys to other groups than those that have them. Undefined: not known now. */
  async #takesKeys(topology: Topology, next: RingShape): Promise<boolean | undefined> {
    for (const group of topology.ring?.value.groups ?? []) {
      const count = await this.#count(topology, group, next);
      if (count === undefined) return undefined;
      if (count.keys > 0) return true;
    }
    return false;
  }

  /**
   * Whether a new group has a primary and holds no keys. Those of an old log, which no client has seen in this cluster, would
   * be removed to make room for those that move in.
   */
  async #isEmpty(topology: Topology, ring: RingState, group: string): Promise<boolean> {
    const { clock } = this.#options;
    const retryAtMs = this.#foreign.get(group);
    if (retryAtMs !== undefined && clock.monotonicMs() < retryAtMs) return false;
    // Its primary may not be ready yet: then it is asked again.
    const count = await this.#count(topology, group, ring).catch(() => undefined);
    if (count === undefined) return false;
    const keys = allKeysOf(count);
    if (keys === 0) return true;
    this.#foreign.set(group, clock.monotonicMs() + foreignKeysRetryMs);
    this.#tell(foreignKeys(group, keys));
    return false;
  }

  #count(topology: Topology, group: string, shape: RingShape): Promise<MisplacedKeys | undefined> {
    return countMisplaced({ ...this.#options, timeoutMs: countTimeoutMs }, topology, group, shape);
  }
}

/** Why a group with an old log does not enter the ring. */
export function foreignKeys(group: string, keys: number): string {
  return (
    `group "${group}" holds ${keys} ${keys === 1 ? "key" : "keys"} from before it was in this ring, which would be lost there: it stays outside; ` +
    "start it with an empty dbfile, and import the keys of the old one"
  );
}
