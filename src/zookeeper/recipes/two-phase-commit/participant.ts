import { systemClock } from "../../../common/clock.ts";
import { anObject, callback } from "../../../common/option-kinds.ts";
import { checkArgument } from "../../check.ts";
import { ZooKeeperError } from "../../errors.ts";
import { checkPath, childOf } from "../../paths.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { checkName } from "../check-name.ts";
import { untilAnswered } from "../lost-answers.ts";
import { encode, type Participation, type Transaction, verdict } from "./transaction.ts";
import { TransactionBoard, UNDECIDED } from "./transaction-board.ts";
import { Wakeups } from "./wakeups.ts";

/** Before `commit` or `abort` is called again after it has failed, and before another attempt after a server that only reads. */
const RETRY_MS = 1000;

const UNTIL_SESSION_ENDS = { deadlineMs: Number.POSITIVE_INFINITY };

/**
 * What a participant does. Each may be called again for the same transaction, after a crash or a lost answer, and must
 * then do no harm. Signals are aborted when the participant ends.
 */
export interface TransactionHandlers {
  /**
   * Votes: true when it is certain that `commit` can be done, also after a crash. What throws votes against it. `abort` may
   * come without this before.
   */
  prepare(transaction: Transaction, signal: AbortSignal): Promise<boolean>;
  /** Carries it out. Called again a second after it has thrown, until it succeeds. */
  commit(transaction: Transaction, signal: AbortSignal): Promise<void>;
  /** Undoes what `prepare` has done. Called again as `commit`. */
  abort(transaction: Transaction, signal: AbortSignal): Promise<void>;
}

/**
 * Takes part in the transactions below a path that name it, also in those that were begun before. One process at a time
 * may use a name. When its session is over, the next process, or this one with a new session, goes on where it was.
 */
export class TransactionParticipant {
  readonly #client: ZooKeeper;
  readonly #board: TransactionBoard;
  readonly #name: string;
  readonly #handlers: TransactionHandlers;
  readonly #ended = new AbortController();
  readonly #wakeups: Wakeups;

  private constructor(client: ZooKeeper, path: string, name: string, handlers: TransactionHandlers) {
    checkPath(path);
    checkName("name of a participant", name);
    checkArgument("the handlers", handlers, anObject);
    for (const each of ["prepare", "commit", "abort"] as const) checkArgument(each, handlers[each], callback);
    this.#client = client;
    this.#name = name;
    this.#handlers = handlers;
    this.#wakeups = new Wakeups(systemClock, (id) => this.#step(id));
    this.#board = new TransactionBoard(client, path, (error) => this.#end(error));
    this.#board.listen((id) => this.#wakeups.wake(id));
  }

  /** Begins to take part. Errors: those of `ZnodeCache.start` and of `createAll`. */
  static async open(
    client: ZooKeeper,
    path: string,
    name: string,
    handlers: TransactionHandlers,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<TransactionParticipant> {
    const participant = new TransactionParticipant(client, path, name, handlers);
    await participant.#board.start(signal);
    return participant;
  }

  /** Aborted when it takes part no more: it was closed, or its session is over. The reason is a ZooKeeperError. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Takes part no more. What it has voted stands. */
  close(): void {
    this.#board.close();
  }

  #end(error: ZooKeeperError): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(error);
    this.#wakeups.close();
    this.#board.close();
  }

  /** Does what is next in a transaction. What it cannot do ends the participant. */
  async #step(id: string): Promise<void> {
    try {
      const transaction = await this.#board.read(id);
      const own = transaction?.participants.find(({ name }) => name === this.#name);
      if (transaction === undefined || own === undefined || own.isDone) return;
      if (transaction.decision !== undefined) await this.#carryOut(transaction, own);
      else if (own.vote === undefined) await this.#vote(transaction);
      else await this.#await(transaction);
    } catch (error) {
      // Anything else is a bug, and must show.
      if (!ZooKeeperError.is(error)) throw error;
      // Another server may take it.
      if (error.code === "READ_ONLY") this.#wakeups.wakeAfter(id, RETRY_MS);
      // Somebody has removed it.
      else if (error.code !== "NO_NODE") this.#end(error);
    }
  }

  async #vote(transaction: Transaction): Promise<void> {
    const { id } = transaction;
    const isYes = await this.#prepare(transaction);
    if (this.#ended.signal.aborted) return;
    const path = this.#board.pathOf(id);
    try {
      await untilAnswered(() =>
        this.#client.multi(
          [
            { type: "check", path, version: UNDECIDED },
            {
              type: "set",
              path: childOf(path, this.#name),
              data: encode({ vote: isYes ? "yes" : "no" }),
              version: UNDECIDED,
            },
          ],
          UNTIL_SESSION_ENDS,
        ),
      );
    } catch (error) {
      // It is decided, or an attempt has voted of which the answer was lost.
      if (!ZooKeeperError.is(error, "BAD_VERSION")) throw error;
    }
    this.#wakeups.wake(id);
  }

  async #prepare(transaction: Transaction): Promise<boolean> {
    try {
      return await this.#handlers.prepare(transaction, this.#ended.signal);
    } catch {
      return false;
    }
  }

  /** Decides it when that can be done, for the coordinator may be gone, or looks again when its time is over. */
  async #await(transaction: Transaction): Promise<void> {
    const { id, beganMs, timeoutMs } = transaction;
    const decision = verdict(transaction, systemClock.wallMs());
    if (decision === undefined) {
      this.#wakeups.wakeAfter(id, beganMs + timeoutMs - systemClock.wallMs());
      return;
    }
    await this.#board.decide(transaction, decision);
    this.#wakeups.wake(id);
  }

  async #carryOut(transaction: Transaction, { vote }: Participation): Promise<void> {
    const { id, decision } = transaction;
    try {
      const { commit, abort } = this.#handlers;
      const handler = decision?.outcome === "committed" ? commit : abort;
      await handler.call(this.#handlers, transaction, this.#ended.signal);
    } catch {
      this.#wakeups.wakeAfter(id, RETRY_MS);
      return;
    }
    const path = childOf(this.#board.pathOf(id), this.#name);
    const data = encode({ ...(vote && { vote }), done: true });
    await untilAnswered(() => this.#client.set(path, data, UNTIL_SESSION_ENDS));
  }
}
