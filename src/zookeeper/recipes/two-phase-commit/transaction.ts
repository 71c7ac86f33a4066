import { parseObject } from "../parse-object.ts";
import { toJson } from "../to-json.ts";

/** What becomes of a transaction: the same for all who take part. */
export type Outcome = "committed" | "aborted";

/** The outcome, and for an aborted transaction why. */
export interface Decision {
  readonly outcome: Outcome;
  readonly reason?: string;
}

/** One who takes part in a transaction. */
export interface Participation {
  readonly name: string;
  /** A vote is never changed. Undefined while there is none. */
  readonly vote: "yes" | "no" | undefined;
  /** Whether it has carried out the decision. */
  readonly isDone: boolean;
}

/** A transaction as its znodes show it. */
export interface Transaction {
  readonly id: string;
  readonly participants: readonly Participation[];
  /** What its coordinator tells the participants: any JSON. */
  readonly payload: unknown;
  /** When it began, in milliseconds since 1970 on the clock of ZooKeeper's leader. */
  readonly beganMs: number;
  /** From its beginning on: without all votes by then, it is aborted. */
  readonly timeoutMs: number;
  /** Undefined while it is undecided. */
  readonly decision: Decision | undefined;
  /** Names of those that it waits for: for their votes, or, once it is decided, until they have carried it out. */
  readonly waitsFor: readonly string[];
}

/** The data of a transaction's znode. It is changed once: by the decision. */
export interface TransactionData {
  readonly participants: readonly string[];
  readonly timeoutMs: number;
  readonly payload: unknown;
  readonly decision?: Decision;
}

/** The data of a participant's znode, below that of the transaction. */
export interface ParticipantData {
  readonly vote?: "yes" | "no";
  readonly done?: true;
}

/** Errors: BAD_ARGUMENTS, for a payload that JSON cannot have. */
export function encode(data: TransactionData | ParticipantData): Uint8Array {
  return toJson("the transaction", data);
}

/** Undefined when it is none of a transaction. */
export function decodeTransaction(data: Uint8Array): TransactionData | undefined {
  const { participants, timeoutMs, payload = null, decision } = parseObject(data);
  if (!Array.isArray(participants) || !participants.every(isString) || typeof timeoutMs !== "number") {
    return undefined;
  }
  return { participants, timeoutMs, payload, ...(isDecision(decision) && { decision }) };
}

/** What is none of a participant is taken as having no vote. */
export function decodeParticipant(data: Uint8Array): ParticipantData {
  const { vote, done } = parseObject(data);
  return { ...((vote === "yes" || vote === "no") && { vote }), ...(done === true && { done }) };
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isDecision(value: unknown): value is Decision {
  if (typeof value !== "object" || value === null || !("outcome" in value)) return false;
  return value.outcome === "committed" || value.outcome === "aborted";
}

/**
 * What the znodes of a transaction show. `read` finds that of a participant. Undefined when one is missing: all are created
 * and removed together, so it is being removed, and what was read before is not true any more.
 */
export function toTransaction(
  id: string,
  { participants: names, timeoutMs, payload, decision }: TransactionData,
  beganMs: number,
  read: (participant: string) => ParticipantData | undefined,
): Transaction | undefined {
  const participants: Participation[] = [];
  for (const name of names) {
    const found = read(name);
    if (found === undefined) return undefined;
    participants.push({ name, vote: found.vote, isDone: found.done ?? false });
  }
  const waitsFor = participants
    .filter(({ vote, isDone }) => (decision === undefined ? vote === undefined : !isDone))
    .map(({ name }) => name);
  return { id, participants, payload, beganMs, timeoutMs, decision, waitsFor };
}

/**
 * What anybody may decide now. Undefined when nobody may. All "yes" is decided as a commit even when it is late; as votes
 * are never changed, nobody sees all "yes" and then something else.
 */
export function verdict(
  { participants, beganMs, timeoutMs, waitsFor }: Transaction,
  nowMs: number,
): Decision | undefined {
  const against = participants.filter(({ vote }) => vote === "no").map(({ name }) => name);
  if (against.length > 0) return { outcome: "aborted", reason: `voted against by ${against.join(", ")}` };
  if (participants.every(({ vote }) => vote === "yes")) return { outcome: "committed" };
  if (nowMs < beganMs + timeoutMs) return undefined;
  return { outcome: "aborted", reason: `no vote within ${timeoutMs} ms of ${waitsFor.join(", ")}` };
}
