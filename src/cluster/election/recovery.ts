import type { Clock } from "../../common/clock.ts";
import type { CasRegister } from "../metadata/cas-register.ts";
import type { GroupLogs, GroupView, Member } from "../metadata/model.ts";
import { type DataLoss, OperationError, refused } from "../metadata/operation-error.ts";
import type { GroupRegister } from "../replication/group-register.ts";
import type { PeerAt } from "../replication/peer.ts";
import { comparePositions } from "../storage/format/history.ts";
import type { Position } from "../storage/model.ts";
import { positionsOf } from "./positions.ts";
import { isLive } from "./promotion.ts";

/** Longest wait for the position of a replica that may have survived. */
const survivorTimeoutMs = 3000;

/** A live replica, and where its log ends. */
export interface Survivor extends Member {
  readonly position: Position;
}

/** How to give a group a primary again, and what that may lose. */
export interface RecoveryPlan {
  readonly primary: Survivor;
  /** What may be lost, in words. */
  readonly loss: string;
}

export interface Recovery extends RecoveryPlan {
  /** Epoch of the new primary. */
  readonly epoch: number;
}

/**
 * Whether an operator accepts that records are lost which only the in-sync replicas had: those that were told of, or, for
 * requests of earlier versions, whatever there is to lose.
 */
export type Consent = "none" | "any" | Pick<DataLoss, "epoch" | "last">;

export interface RecoveryOptions {
  readonly group: GroupView;
  readonly register: GroupRegister;
  readonly logs: CasRegister<GroupLogs>;
  readonly peerAt: PeerAt;
  readonly clock: Clock;
  readonly consent: Consent;
  readonly signal: AbortSignal;
}

/**
 * Gives a group whose in-sync replicas are gone another primary, if the loss of data is accepted. Otherwise the error says
 * what would be lost. Errors: data-loss, refused, unavailable.
 */
export async function recoverGroup(options: RecoveryOptions): Promise<Recovery> {
  const { group, register, logs, consent } = options;
  const survivors = await survivorsOf(options);
  const known = await logs.read().catch((error) => {
    throw new OperationError("unavailable", "ZooKeeper cannot be asked now", { cause: error });
  });
  const plan = planRecovery(group, survivors, known?.value.floor ?? { epoch: 0, seq: 0 });
  const epoch = group.state?.value.epoch ?? 0;
  checkConsent(consent, { epoch, last: plan.primary.position, loss: plan.loss });
  if (!register.connected) {
    throw new OperationError("unavailable", "there is no connection to ZooKeeper now");
  }
  const { number, incarnation, position: floor } = plan.primary;
  const transition = { kind: "recover", to: { number, incarnation } } as const;
  const failed = (cause: unknown) => {
    const message = `group "${group.name}" could not be changed: try again`;
    throw new OperationError("unavailable", message, { cause });
  };
  // Before the change: a place in what is given up must never be taken for one in the next history.
  const firstEpoch = epoch + 1;
  const noted =
    known && (await logs.compareAndSet({ ...known.value, firstEpoch }, known.version).catch(failed));
  const { value } = await register.change(group.state, transition).catch(failed);
  // The floor must not require records that are given up.
  if (noted !== undefined) {
    await logs.compareAndSet({ ...noted.value, floor }, noted.version).catch(() => {});
  }
  return { ...plan, epoch: value.epoch };
}

function checkConsent(consent: Consent, loss: DataLoss): void {
  const reason = refusalOf(consent, loss);
  if (reason !== undefined) throw new OperationError("data-loss", `${loss.loss}; ${reason}`, { loss });
}

/**
 * Why a consent does not count. It is to what was told: the request may be late, when somebody else has recovered the group,
 * and it has gone on and was lost again; or the best of the replicas that were there is gone.
 */
function refusalOf(consent: Consent, { epoch, last }: DataLoss): string | undefined {
  if (consent === "any") return undefined;
  if (consent === "none") return "set accept_data_loss to go on";
  if (consent.epoch !== epoch) {
    return `the group had epoch ${consent.epoch} when a loss was accepted, and has epoch ${epoch} now`;
  }
  const isMore = comparePositions(last, consent.last) < 0;
  return isMore
    ? `accepted was a log up to record ${consent.last.seq} of epoch ${consent.last.epoch}`
    : undefined;
}

async function survivorsOf({ group, signal, ...options }: RecoveryOptions): Promise<Survivor[]> {
  const { name, nodes } = group;
  const asked = { group: name, nodes, timeoutMs: survivorTimeoutMs, signal };
  const positions = await positionsOf(options, asked);
  return nodes.flatMap(({ number, incarnation }) => {
    const position = positions.get(number);
    return position === undefined ? [] : { number, incarnation, position };
  });
}

/**
 * Chooses the survivor with the longest log, for a group whose in-sync replicas are all gone. `floor`: up to where the
 * group has certainly acknowledged writes.
 * Errors: refused (an in-sync replica is live; there is no survivor).
 */
export function planRecovery(
  group: GroupView,
  survivors: readonly Survivor[],
  floor: Position,
): RecoveryPlan {
  const { name, state } = group;
  if (state === undefined) {
    throw refused(`group "${name}" has no state yet: there is nothing to recover`);
  }
  const { inSync } = state.value;
  const live = inSync.find((member) => isLive(group, member));
  if (live !== undefined) {
    throw refused(`node ${live.number} of group "${name}" is in sync and live: nothing needs to be lost`);
  }
  const [primary] = [...survivors].sort(
    (a, b) => comparePositions(b.position, a.position) || a.number - b.number,
  );
  if (primary === undefined) {
    throw refused(`group "${name}" has no live node with a log that could be used`);
  }
  const gone = inSync.map(({ number }) => number).join(", ");
  const { number, position } = primary;
  return {
    primary,
    loss:
      `node ${number} has the log of group "${name}" up to record ${position.seq} of epoch ${position.epoch}; ` +
      `every write that was acknowledged after that is on node ${gone} alone, and is lost: ` +
      (comparePositions(position, floor) < 0
        ? `there were such, up to record ${floor.seq} of epoch ${floor.epoch} at least`
        : "none is known of, but those of the last seconds before the group stopped would not be"),
  };
}
