import type { Clock } from "../../common/clock.ts";
import { type Access, type Coordination, CoordinationError } from "../../coordination/coordination.ts";
import { withLock } from "../membership/zk-lock.ts";
import { groupLogsRegister, groupStateRegister, ringRegister } from "../metadata/cas-register.ts";
import type { GroupView, RingState, Topology } from "../metadata/model.ts";
import { OperationError, refused } from "../metadata/operation-error.ts";
import { dataLockPath, groupPath, groupStatePath, parseNumber } from "../metadata/paths.ts";
import { retryOnConnectionLoss, type Task } from "../metadata/retry-on-connection-loss.ts";
import { placeOfGroup } from "../ring/placement.ts";
import { requireGroup } from "../ring/require.ts";
import { removed } from "../ring/ring-change.ts";
import { updateRing } from "../ring/update-ring.ts";
import { type AskReport, reportOf } from "./group-report.ts";

export interface RemoveGroupOptions {
  readonly topology: Topology;
  readonly session: () => Coordination | undefined;
  readonly clock: Clock;
  readonly access: Access;
  readonly askReport: AskReport;
  readonly log: (message: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Removes a group that is outside the ring from the cluster: deletes its znodes, so that nothing shows it any more. The
 * files of its nodes stay. Errors: not-found, refused, unavailable, outcome-unknown.
 */
export async function removeGroup(name: string, options: RemoveGroupOptions): Promise<void> {
  const { topology, clock, access, signal, log } = options;
  const view = requireGroup(topology, name);
  const session = options.session();
  if (session === undefined) {
    throw new OperationError("unavailable", "there is no session with ZooKeeper now");
  }
  const ring = topology.ring?.value;
  if (ring !== undefined) checkPlace(ring, name);
  if (view.nodes.length > 0) await refuseLive(view, options);
  const task: Task = { session, clock, access, signal, onDiagnostic: log };
  try {
    // No node registers meanwhile.
    await withLock(task, dataLockPath, `a router that removes group ${name}`, async () => {
      const found = await retryOnConnectionLoss(task, () => session.children(groupPath(name)));
      const numbers = found.filter((child) => parseNumber(child) !== undefined);
      if (numbers.length > 0) throw refused(stopFirst(name, numbers));
      if (ring !== undefined) {
        // By the ring as it is now: this router may not have seen that the group has entered, or was removed by another one.
        await updateRing(ringRegister(options), async (now) => {
          checkPlace(now, name);
          return now.outside?.includes(name)
            ? removed(now, name, await epochsOf(name, session, options))
            : now;
        });
      }
      // The state last: without it, what is left of the rest would be taken for that of a later group.
      const paths = found.map((child) => `${groupPath(name)}/${child}`);
      const state = groupStatePath(name);
      for (const path of [...paths.filter((each) => each !== state), state]) await remove(task, path);
      await remove(task, groupPath(name));
    });
  } catch (error) {
    if (!CoordinationError.is(error)) throw error;
    throw new OperationError("unavailable", `group "${name}" could not be removed: try again`, {
      cause: error,
    });
  }
  log(`group "${name}" is removed, on an operator's word`);
}

/** The first epoch of a group's history, and its last. */
async function epochsOf(
  group: string,
  session: Coordination,
  { access }: Pick<RemoveGroupOptions, "access">,
) {
  const place = { session: () => session, access, group };
  const { firstEpoch = 0 } = (await groupLogsRegister(place).read())?.value ?? {};
  const { epoch = 0 } = (await groupStateRegister(place).read())?.value ?? {};
  return { firstEpoch, lastEpoch: epoch };
}

/** Errors: refused. */
function checkPlace(ring: RingState, name: string): void {
  const place = placeOfGroup(ring, name);
  if (place === "new" || place === "kept-outside") return;
  const drain = `"kvlab ring drain ${name}" takes it out`;
  const why = {
    in: `is in the ring; ${drain}`,
    entering: `enters the ring with change ${ring.change?.id}; "kvlab ring abort" ends that`,
    leaving: `leaves the ring with change ${ring.change?.id}, which has not ended yet`,
    queued: `waits to enter the ring; ${drain}`,
  }[place];
  throw refused(`group "${name}" ${why}`);
}

/** Says what stands in the way of removing a group with live nodes. Errors: refused. */
async function refuseLive(group: GroupView, options: RemoveGroupOptions): Promise<never> {
  const { name, nodes } = group;
  const report = await reportOf(group, options, options.signal);
  if (report !== undefined && report.keys > 0) {
    throw refused(
      `group "${name}" holds ${report.keys} keys; those that have moved are removed in a while, and others are none of ` +
        "this ring: stop its nodes if they are not needed",
    );
  }
  const shown = nodes.map(({ number, address }) => `${number} (${address})`);
  throw refused(stopFirst(name, shown));
}

function stopFirst(name: string, nodes: readonly string[]): string {
  const what = nodes.length === 1 ? `node ${nodes[0]}` : `nodes ${nodes.join(", ")}`;
  return `${what} of group "${name}" ${nodes.length === 1 ? "is" : "are"} registered; stop ${nodes.length === 1 ? "it" : "them"} first`;
}

async function remove(task: Task, path: string): Promise<void> {
  const { session } = task;
  await retryOnConnectionLoss(task, async () => {
    for (;;) {
      const stat = await session.exists(path);
      if (stat === undefined) return;
      try {
        return await session.delete(path, stat.version);
      } catch (error) {
        if (!CoordinationError.is(error, "BAD_VERSION", "NO_NODE")) throw error;
      }
    }
  });
}
