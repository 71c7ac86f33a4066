import { type Clock, withTimeout } from "../../common/clock.ts";
import { type Access, type Coordination, CoordinationError } from "../../coordination/coordination.ts";
import { encodeText, formatGroupState, formatRingState } from "../metadata/codec.ts";
import { explain } from "../metadata/diagnostics.ts";
import type { GroupState, GroupView, NodeView, RingState, Topology, Versioned } from "../metadata/model.ts";
import { groupPrimaryPath, groupStatePath, ringPath } from "../metadata/paths.ts";
import { getIfThere } from "../metadata/retry-on-connection-loss.ts";
import type { TopologySource } from "../metadata/topology.ts";
import type { PeerAt, SilenceReport } from "../replication/peer.ts";
import { primaryOf } from "../ring/placement.ts";
import { positionsOf } from "./positions.ts";
import { candidates, promotion, replacements } from "./promotion.ts";

/** Pause before something that has failed is tried again, if nothing changes before. */
const retryMs = 1000;

/** Longest wait for the positions of those who can be made primary. */
const positionTimeoutMs = 300;

/** Longest wait for a primary's answer about its keys. */
const countTimeoutMs = 5000;

export interface MasterOptions {
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly access: Access;
  readonly peerAt: PeerAt;
  /** Given to the ring if it is this master that makes it. */
  readonly virtualNodes: number;
  readonly log: (message: string) => void;
}

/**
 * What the master does, until `signal` is aborted: gives primaries to the groups that have none, and lets new groups
 * into the ring. Every change is a compare-and-set under its own session, so that a master that is one no longer does
 * no harm.
 */
export async function lead(
  options: MasterOptions,
  session: Coordination,
  signal: AbortSignal,
): Promise<void> {
  const { topology: source, clock } = options;
  const projected = new Map<string, string>();
  while (!signal.aborted) {
    const topology = await source.waitUntil(() => true, signal).catch(() => undefined);
    if (topology === undefined) return;
    const attempt = async (what: string, step: () => Promise<void>) => {
      try {
        await step();
      } catch (error) {
        if (!signal.aborted && isWorthTelling(error)) options.log(`${what}: ${explain(error)}`);
      }
    };
    await Promise.all(
      [...topology.groups.values()].map((group) =>
        attempt(`group "${group.name}" cannot be given a primary`, async () => {
          await promote(options, session, group, signal);
          await project(options, session, group, projected);
        }),
      ),
    );
    await attempt("the ring cannot be extended", () => admitGroups(options, session, topology, signal));
    await withTimeout(clock, retryMs, signal, (given) =>
      source.waitUntil((next) => next !== topology, given),
    ).catch(() => {});
  }
}

/** What a standby tells of a primary that it hears nothing of; see `Peer.reportSilence`. */
export async function replaceSilentPrimary(
  options: Pick<MasterOptions, "topology" | "clock" | "peerAt" | "log">,
  session: Coordination,
  { group, epoch, reporter }: SilenceReport,
  signal: AbortSignal,
): Promise<boolean> {
  const view = options.topology.current?.groups.get(group);
  if (view?.state === undefined) return false;
  const next = await choose(options, view, replacements(view, epoch, reporter), signal);
  if (next === undefined) return false;
  try {
    await session.set(groupStatePath(group), formatGroupState(next), view.state.version);
  } catch (error) {
    if (CoordinationError.is(error, "BAD_VERSION")) return false;
    throw error;
  }
  options.log(
    `node ${next.primary?.number} is now primary of group "${group}", epoch ${next.epoch}: the old one is silent`,
  );
  return true;
}

/** A lost race shows in the next topology, a lost connection is told by the session. */
function isWorthTelling(error: unknown): boolean {
  return !CoordinationError.is(
    error,
    "BAD_VERSION",
    "NODE_EXISTS",
    "CONNECTION_LOSS",
    "SESSION_EXPIRED",
    "CLOSED",
  );
}

async function promote(
  options: MasterOptions,
  session: Coordination,
  group: GroupView,
  signal: AbortSignal,
): Promise<void> {
  const next = await choose(options, group, candidates(group), signal);
  if (next === undefined || group.state === undefined) return;
  await session.set(groupStatePath(group.name), formatGroupState(next), group.state.version);
  options.log(`node ${next.primary?.number} is now primary of group "${group.name}", epoch ${next.epoch}`);
}

/** The state in which one of `nodes` is primary; where there is a choice, they are asked where their logs end. */
async function choose(
  options: Pick<MasterOptions, "clock" | "peerAt">,
  { name, state }: GroupView,
  nodes: readonly NodeView[],
  signal: AbortSignal,
): Promise<GroupState | undefined> {
  if (state === undefined) return undefined;
  const positions =
    nodes.length > 1
      ? await positionsOf(options, name, nodes, positionTimeoutMs, signal)
      : new Map<number, never>();
  return promotion(state.value, nodes, positions);
}

/** Keeps `/data/[name]/primary` in step with the state; `projected` holds what it is known to say. */
async function project(
  { access }: MasterOptions,
  session: Coordination,
  { name, state }: GroupView,
  projected: Map<string, string>,
): Promise<void> {
  const wanted = shownPrimary(state);
  if (wanted === undefined || projected.get(name) === wanted) return;
  const path = groupPrimaryPath(name);
  const found = await getIfThere(session, path);
  if (found === undefined) await session.create(path, encodeText(wanted), "persistent", access);
  else if (new TextDecoder().decode(found.data) !== wanted) {
    await session.set(path, encodeText(wanted), found.stat.version);
  }
  projected.set(name, wanted);
}

function shownPrimary(state: Versioned<GroupState> | undefined): string | undefined {
  if (state === undefined) return undefined;
  return state.value.primary === undefined ? "" : String(state.value.primary.number);
}

/** Makes the ring of the groups there are, or lets those in that take no key away from others. */
async function admitGroups(
  options: MasterOptions,
  session: Coordination,
  topology: Topology,
  signal: AbortSignal,
): Promise<void> {
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
    await session.create(ringPath, formatRingState(first), "persistent", options.access);
    options.log(`the ring is made, of ${names.join(", ")}`);
    return;
  }
  // Once a write has been taken, the keys that a new group would own may exist elsewhere.
  if (ring.value.written) return;
  for (const name of names.filter((candidate) => !ring.value.groups.includes(candidate))) {
    const next: RingState = {
      ...ring.value,
      version: ring.value.version + 1,
      groups: [...ring.value.groups, name],
    };
    if (!(await takesNoKeys(options, topology, next, signal))) continue;
    await session.set(ringPath, formatRingState(next), ring.version);
    options.log(`group "${name}" is now in the ring`);
    return; // Others follow with the next topology, which shows this change.
  }
}

/** Whether every key that the groups of the ring hold stays where it is under `next`. */
async function takesNoKeys(
  options: MasterOptions,
  topology: Topology,
  next: RingState,
  signal: AbortSignal,
): Promise<boolean> {
  for (const group of topology.ring?.value.groups ?? []) {
    const primary = primaryOf(topology.groups.get(group));
    if (primary === undefined) return false;
    const request = { group, ringGroups: next.groups, virtualNodes: next.virtualNodes };
    const keys = await withTimeout(options.clock, countTimeoutMs, signal, (given) =>
      options.peerAt(primary.address).countMisplaced(request, given),
    );
    if (keys > 0) {
      options.log(`a new group waits outside the ring: it would take over ${keys} keys of group "${group}"`);
      return false;
    }
  }
  return true;
}
