import type { LogStore } from "../log-store.ts";
import type { GroupState, Member } from "../model.ts";
import type { Register } from "../register.ts";

/** The node must not take part in its group as things stand; an operator has to decide. */
export class ClaimRefused extends Error {
  override readonly name = "ClaimRefused";
}

/**
 * Brings a replica that has just registered back into its group's state.
 *
 * An in-sync replica that returns holds everything that it has acknowledged, unless its disk was damaged: it replaces
 * its earlier incarnation in the in-sync set, and can be promoted again. A damaged one leaves the set before anything
 * else, so that it cannot. The first node of a group makes the state.
 *
 * Rejects with ClaimRefused, or as the register does, and can then be tried again.
 */
export async function claimMembership(
  self: Member,
  store: LogStore,
  register: Register<GroupState>,
): Promise<void> {
  const found = await register.read();
  if (found === undefined) {
    checkFirst(store);
    await register.create({ epoch: 0, primary: undefined, inSync: [self] });
    return;
  }
  const next = claim(found.value, self, store);
  if (next !== undefined) await register.compareAndSet(next, found.version);
}

/** The state in which `self` has its place, or undefined when it is there. */
function claim(state: GroupState, self: Member, store: LogStore): GroupState | undefined {
  if (store.promisedEpoch > state.epoch) {
    throw new ClaimRefused(
      `the log has followed epoch ${store.promisedEpoch}, but ZooKeeper knows the group only up to epoch ` +
        `${state.epoch}: is zooaddr the ensemble that this log belongs to?`,
    );
  }
  const mine = state.inSync.find((member) => member.number === self.number);
  if (mine === undefined || mine.incarnation === self.incarnation) return undefined;
  const others = state.inSync.filter((member) => member !== mine);
  // A primary that has registered afresh is one no longer: the master decides anew.
  const primary = state.primary?.number === self.number ? undefined : state.primary;
  const { epoch } = state;
  if (store.condition.kind !== "damaged") {
    return { epoch, primary, inSync: [...others, self].sort((a, b) => a.number - b.number) };
  }
  if (others.length === 0) throw new ClaimRefused(loneDamage(store));
  return { epoch, primary, inSync: others };
}

function checkFirst(store: LogStore): void {
  if (store.promisedEpoch > 0) {
    throw new ClaimRefused(
      `the log has followed epoch ${store.promisedEpoch}, but ZooKeeper has no state of its group: ` +
        "is zooaddr the ensemble that this log belongs to?",
    );
  }
  if (store.condition.kind === "damaged") throw new ClaimRefused(loneDamage(store));
}

function loneDamage({ condition }: LogStore): string {
  const where = condition.kind === "damaged" ? ` at line ${condition.line} (${condition.reason})` : "";
  return `the log is damaged${where}, and no other replica is in sync: mend it with "kvlab log repair FILE"`;
}
