import { invariant } from "../../common/invariant.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupLogs, GroupState, Member } from "../metadata/model.ts";
import { holds } from "../storage/format/history.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import type { GroupRegister } from "./group-register.ts";

/** The node must not take part in its group as things stand; an operator has to decide. */
export class RejoinRefused extends Error {
  override readonly name = "RejoinRefused";
}

/** The only in-sync replica of its group has come back with a log that may lack acknowledged writes. */
export class OperatorAwaited extends Error {
  override readonly name = "OperatorAwaited";
}

export interface RejoinOptions {
  readonly group: string;
  /** The registration of now. */
  readonly self: Member;
  /** With its header. */
  readonly store: ReplicaLog;
  readonly state: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
}

/**
 * Brings a replica that has just registered back into its group's state.
 *
 * An in-sync replica that returns with its log holds everything that it has acknowledged: it replaces its earlier
 * incarnation in the in-sync set, and can be promoted again. One whose log is damaged, or is not the log that it had,
 * leaves the set before anything else, so that it cannot, and catches up as if it had never been in it. The first node
 * of a group makes the state.
 *
 * Only a replica that is in its place, or in none, notes its incarnation in its log: from then on every earlier copy of
 * the log is known to be one.
 *
 * Rejects with RejoinRefused; with OperatorAwaited, or as the registers do, and can then be tried again.
 */
export async function rejoinGroup(options: RejoinOptions): Promise<void> {
  const { self, store, state, logs } = options;
  const found = await state.read();
  if (found === undefined) {
    checkFirst(store);
    await settleLog(options);
    await state.change(undefined, { kind: "form", first: self });
    return;
  }
  checkEpoch(store, found.value);
  const mine = found.value.inSync.find((member) => member.number === self.number);
  if (mine === undefined || mine.incarnation === self.incarnation) return await settleLog(options);
  const isAlone = found.value.inSync.length === 1;
  const doubt = doubtOf(store, mine, (await logs.read())?.value, isAlone);
  if (doubt === undefined) {
    await settleLog(options);
    // Else an older copy of the log would pass for this one at the next start.
    invariant(
      store.life === self.incarnation,
      "a replica would be in sync in a life that its log does not know",
    );
    await state.change(found, { kind: "rejoin", self });
    return;
  }
  if (isAlone) throw aloneWith(options, doubt);
  await state.change(found, { kind: "leave", number: self.number });
  await settleLog(options);
}

/** Notes in the log the life in which it goes on, and beside the state which log it is. */
async function settleLog({ self, store, logs }: RejoinOptions): Promise<void> {
  await store.beginLife(self.incarnation);
  const storeId = store.identity?.storeId ?? "";
  const found = await logs.read();
  if (found?.value.stores.get(self.number) === storeId) return;
  const stores = new Map(found?.value.stores).set(self.number, storeId);
  const newest = [...stores].sort(([a], [b]) => b - a).slice(0, storesMax);
  const next = { floor: found?.value.floor ?? { epoch: 0, seq: 0 }, stores: new Map(newest) };
  if (found === undefined) await logs.create(next);
  else await logs.compareAndSet(next, found.version);
}

/** Store ids that are kept: a group never has more replicas, and nobody asks for those that are long gone. */
const storesMax = 100;

/**
 * Why the log of an in-sync member may lack what that has acknowledged; undefined when there is no reason to doubt.
 * Where there is no other, whoever has repaired a log has decided already to go on with what is left of it.
 */
function doubtOf(
  store: ReplicaLog,
  mine: Member,
  known: GroupLogs | undefined,
  isAlone: boolean,
): string | undefined {
  const { condition, identity, life, last } = store;
  if (condition.kind === "damaged") return `it is damaged at line ${condition.line} (${condition.reason})`;
  const storeId = known?.stores.get(mine.number);
  if (storeId !== undefined && storeId !== identity?.storeId) {
    return `it is another log (store ${identity?.storeId}) than the one that node ${mine.number} had (store ${storeId})`;
  }
  // Neither lives nor stores were noted by an earlier version.
  const hasLater = life === undefined ? storeId !== undefined : BigInt(life) < BigInt(mine.incarnation);
  if (hasLater) return "it is an older copy: a process has since gone on with a later one";
  if (identity?.repaired) return isAlone ? undefined : "it was repaired: records may be missing in it";
  const floor = known?.floor;
  if (floor !== undefined && !holds(store, floor)) {
    return (
      `it ends at record ${last.epoch}.${last.seq} and lacks record ${floor.epoch}.${floor.seq}, which was ` +
      "acknowledged: it is an older copy"
    );
  }
  return undefined;
}

function checkEpoch(store: ReplicaLog, { epoch }: GroupState): void {
  if (store.promisedEpoch <= epoch) return;
  throw new RejoinRefused(
    `the log has followed epoch ${store.promisedEpoch}, but ZooKeeper knows the group only up to epoch ` +
      `${epoch}: is zooaddr the ensemble that this log belongs to?`,
  );
}

function checkFirst(store: ReplicaLog): void {
  if (store.promisedEpoch > 0) {
    throw new RejoinRefused(
      `the log has followed epoch ${store.promisedEpoch}, but ZooKeeper has no state of its group: ` +
        "is zooaddr the ensemble that this log belongs to?",
    );
  }
  if (store.condition.kind === "damaged") throw new RejoinRefused(loneDamage(store));
}

function aloneWith({ group, self, store }: RejoinOptions, doubt: string): Error {
  if (store.condition.kind === "damaged") return new RejoinRefused(loneDamage(store));
  return new OperatorAwaited(
    `node ${self.number} alone was in sync, and its log cannot be relied on: ${doubt}; group "${group}" stays ` +
      `unavailable until the right log is back, or "kvlab recover ${group} --accept-data-loss" gives up what is lost`,
  );
}

function loneDamage({ condition }: ReplicaLog): string {
  const where = condition.kind === "damaged" ? ` at line ${condition.line} (${condition.reason})` : "";
  return `the log is damaged${where}, and no other replica is in sync: mend it with "kvlab log repair FILE"`;
}
