import { type Clock, withTimeout } from "../../common/clock.ts";
import type { Access, Coordination } from "../../coordination/coordination.ts";
import { formatRingState } from "../metadata/codec.ts";
import type { RingState, Topology } from "../metadata/model.ts";
import { ringPath } from "../metadata/paths.ts";
import type { PeerAt } from "../replication/peer.ts";
import { primaryOf } from "../ring/placement.ts";

/** Longest wait for a primary's answer about its keys. */
const countTimeoutMs = 5000;

export interface RingAdmissionOptions {
  readonly session: Coordination;
  readonly clock: Clock;
  readonly access: Access;
  readonly peerAt: PeerAt;
  /** Virtual nodes of the ring, if it is created here. */
  readonly virtualNodes: number;
  readonly log: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Creates the ring with the registered groups, or admits groups to it that take no key from others. */
export async function admitGroups(options: RingAdmissionOptions, topology: Topology): Promise<void> {
  const { session, access, log } = options;
  const ready = [...topology.groups.values()].filter((group) => group.state !== undefined);
  const names = ready.map((group) => group.name).sort();
  const { ring } = topology;
  if (ring === undefined) {
    if (names.length === 0) return;
    const first: RingState = {
      version: 1,
      virtualNodes: options.virtualNodes,
      groups: names,
      written: false,
    };
    await session.create(ringPath, formatRingState(first), "persistent", access);
    log(`the ring is made, of ${names.join(", ")}`);
    return;
  }
  // After the first write, keys that a new group would own may exist in other groups.
  if (ring.value.written) return;
  for (const name of names.filter((candidate) => !ring.value.groups.includes(candidate))) {
    const next: RingState = {
      ...ring.value,
      version: ring.value.version + 1,
      groups: [...ring.value.groups, name],
    };
    if (!(await takesNoKeys(options, topology, next))) continue;
    await session.set(ringPath, formatRingState(next), ring.version);
    log(`group "${name}" is now in the ring`);
    return; // Others follow with the next topology, which shows this change.
  }
}

/** Whether every key of the groups in the ring stays in its group under `next`. */
async function takesNoKeys(
  { clock, peerAt, log, signal }: RingAdmissionOptions,
  topology: Topology,
  next: RingState,
): Promise<boolean> {
  for (const group of topology.ring?.value.groups ?? []) {
    const primary = primaryOf(topology.groups.get(group));
    if (primary === undefined) return false;
    const request = { group, ringGroups: next.groups, virtualNodes: next.virtualNodes };
    const keys = await withTimeout(clock, countTimeoutMs, signal, (given) =>
      peerAt(primary.address).countMisplaced(request, given),
    );
    if (keys > 0) {
      log(`a new group waits outside the ring: it would take over ${keys} keys of group "${group}"`);
      return false;
    }
  }
  return true;
}
