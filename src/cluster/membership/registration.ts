import type { Address } from "../../common/address.ts";
import type { Member } from "../metadata/model.ts";
import type { Task, Znode } from "../metadata/retry-on-connection-loss.ts";
import type { Holder } from "./znodes.ts";

/** A place in the cluster, as a process has just got it. */
export interface Registered extends Member {
  /** The ephemeral znode that stands for it. */
  readonly znode: Znode;
  /** When this znode is touched, there may be a better place: the process should register again. */
  readonly coveted?: Znode;
}

/**
 * Registers a process: gets it its place, or confirms the place that it has in this session. It may be called again at
 * any time. Errors: ForeignContentError, CoordinationError.
 */
export type Register = (task: Task) => Promise<Registered>;

/** Who answers at an address: the process that asks, another, or nobody whom it can reach from where it is. */
export type AskWhoAnswers = (address: Address, signal: AbortSignal) => Promise<"self" | "other" | "nobody">;

/** The place that a session has by its znode. */
export function placeOf(number: number, { path, czxid }: Holder): Registered {
  return { number, incarnation: czxid, znode: { path, czxid } };
}

/** Why an ephemeral znode cannot be made; `consequence` says what waits for it. */
export function squatted({ path }: Holder, consequence: string): string {
  return `${path} is not ephemeral, so it was made by none of ours; ${consequence} until it is deleted`;
}
