import { invariant } from "../../common/invariant.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupLogs, GroupState, Member, Versioned } from "../metadata/model.ts";
import { holds } from "../storage/format/history.ts";
import type { ReplicaLog } from "../storage/replica-log.ts";
import type { GroupRegister } from "./group-register.ts";

/** The node must not join its group: an operator has to decide. */
export class RejoinRefused extends Error {
  override readonly name = "RejoinRefused";
}

/** The only in-sync replica of its group has come back with a log that may lack acknowledged writes. */
export class OperatorAwaited extends Error {
  override readonly name = "OperatorAwaited";
}

export interface RejoinOptions {
  readonly group: string;
  /** The current registration. */
  readonly self: Member;
  /** Its header names this node. */
  readonly store: ReplicaLog;
  readonly state: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
  /** The last epoch of a group of this name that was removed: see the transition "form". Rejects when it cannot be known. */
  readonly removedEpoch: () => Promise<number>;
}

/**
 * Brings a replica that has just registered back into its group's state.
 *
 * An in-sync replica that returns with its own latest log has everything that it has acknowledged. So it replaces its
 * earlier incarnation in the in-sync set, and can be promoted again. If its log is damaged or is another one, it leaves
 * the set before anything else, so that it cannot be promoted, and catches up like a new standby. The first node of a
 * group forms the state.
 *
 * A replica notes its incarnation in its log only when it rejoins, or when it is not in the set. From then on, every
 * earlier copy of the log is known to be one.
 *
 * Resolves with the state that has this life of the replica, or has it not in sync.
 * Rejects with RejoinRefused. Also rejects with OperatorAwaited, or as the registers do: then it can be retried.
 */
export async function rejoinGroup(options: RejoinOptions): Promise<Versioned<GroupState>> {
  const { self, store, state, logs } = options;
  const found = await state.read();
  if (found === undefined) {
    checkFirst(store);
    await settleLog(options);
    return await state.change(undefined, { kind: "form", first: self, after: await options.removedEpoch() });
  }
  checkEpoch(store, found.value);
  const mine = found.value.inSync.find((member) => member.number === self.number);
  if (mine === undefined || mine.incarnation === self.incarnation) {
    await settleLog(options);
    return found;
  }
  const isAlone = found.value.inSync.length === 1;
  const doubt = doubtOf(store, mine, (await logs.read())?.value, isAlone);
  if (doubt === undefined) {
    await settleLog(options);
    // Otherwise an older copy of the log would pass for this one at the next start. The log may know a later life: a node
    // whose session expires registers again, while this waits for its disk.
    invariant(
      store.life !== undefined && BigInt(store.life) >= BigInt(self.incarnation),
      "a replica would be in sync in a life that its log does not know",
    );
    return await state.change(found, { kind: "rejoin", self });
  }
  if (isAlone) throw aloneWith(options, doubt);
  const left = await state.change(found, { kind: "leave", number: self.number });
  await settleLog(options);
  return left;
}

/** Notes the new life in the log, and the log's store id in `/data/[name]/logs`. */
async function settleLog({ self, store, logs }: RejoinOptions): Promise<void> {
  await store.beginLife(self.incarnation);
  const storeId = store.identity?.storeId ?? "";
  const found = await logs.read();
  if (found?.value.stores.get(self.number) === storeId) return;
  const stores = new Map(found?.value.stores).set(self.number, storeId);
  const newest = [...stores].sort(([a], [b]) => b - a).slice(0, storesMax);
  const next = { floor: { epoch: 0, seq: 0 }, ...found?.value, stores: new Map(newest) };
  if (found === undefined) await logs.create(next);
  else await logs.compareAndSet(next, found.version);
}

/** Maximum number of store ids. A group never has more replicas, and those of replicas long gone are not needed. */
const storesMax = 100;

/**
 * Why the log of an in-sync member may lack records that the member has acknowledged. Undefined when there is no doubt.
 * A repaired log of the only member counts: whoever repaired it has decided to continue with what is left.
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
  // Earlier versions noted neither lives nor store ids.
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
