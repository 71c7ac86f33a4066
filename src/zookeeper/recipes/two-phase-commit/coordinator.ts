import { randomUUID } from "node:crypto";
import { systemClock, timerMsMax } from "../../../common/clock.ts";
import { anObject, listOf, text, wholeNumber } from "../../../common/option-kinds.ts";
import { checkArgument } from "../../check.ts";
import { ZooKeeperError } from "../../errors.ts";
import type { CallOptions } from "../../options.ts";
import { checkPath, childOf } from "../../paths.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { unlessAborted } from "../bounded.ts";
import { checkName } from "../check-name.ts";
import { untilAnswered } from "../lost-answers.ts";
import { type Decision, decodeTransaction, encode, type Transaction, verdict } from "./transaction.ts";
import { TransactionBoard } from "./transaction-board.ts";

/** All of them begin and are removed in one request, which may have 1 MiB. */
const PARTICIPANTS_MAX = 500;

/** The data of a transaction in JSON: with the participants' znodes, it has to fit in a request of 1 MiB. */
const DATA_BYTES_MAX = 512 * 1024;

const TIMEOUT_MS_DEFAULT = 30_000;

export interface TransactionRequest {
  /** The name of its znode. A coordinator that keeps it can begin it again without harm. Default: a random UUID. */
  readonly id?: string | undefined;
  /** Names of those that take part: 1 to 500. */
  readonly participants: readonly string[];
  /** What the participants are to do, as JSON. With the participants' names, 512 KiB at most. */
  readonly payload?: unknown;
  /** Milliseconds for all votes to come, from 1 to 2147483647. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Begins transactions that several participants carry out all together or not at all, by two-phase commit: each votes, and
 * when all have voted "yes" the transaction is committed, else aborted. The decision is one change of one znode, which the
 * coordinator, any participant, or another coordinator makes: so there is one outcome everywhere, and no transaction waits
 * for a coordinator that has died. After a crash, `transactions` tells what there is to go on with.
 *
 * Time-outs are judged by the clocks of those who look: a wrong one can only make it abort early or late.
 */
export class TransactionCoordinator {
  readonly #client: ZooKeeper;
  readonly #board: TransactionBoard;
  readonly #ended = new AbortController();

  private constructor(client: ZooKeeper, path: string) {
    checkPath(path);
    this.#client = client;
    this.#board = new TransactionBoard(client, path, (error) => this.#ended.abort(error));
  }

  /** Opens the transactions below `path`, which is created. Errors: those of `ZnodeCache.start` and of `createAll`. */
  static async open(
    client: ZooKeeper,
    path: string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<TransactionCoordinator> {
    const coordinator = new TransactionCoordinator(client, path);
    await coordinator.#board.start(signal);
    return coordinator;
  }

  /**
   * Begins a transaction, and resolves with its id. Beginning it once more changes nothing. Errors: BAD_ARGUMENTS;
   * NODE_EXISTS, when the id is that of another transaction; those of `multi`.
   */
  async begin(request: TransactionRequest, options?: CallOptions): Promise<string> {
    checkArgument("the transaction", request, anObject);
    const { id = randomUUID(), participants, payload = null, timeoutMs = TIMEOUT_MS_DEFAULT } = request;
    checkArgument("participants", participants, listOf(text));
    checkArgument("timeoutMs", timeoutMs, wholeNumber(1, timerMsMax));
    const data = encode({ participants, timeoutMs, payload });
    checkRequest(id, participants, data);
    const path = this.#board.pathOf(id);
    const creations = [path, ...participants.map((name) => childOf(path, name))].map(
      (each) => ({ type: "create", path: each, data: each === path ? data : encode({}) }) as const,
    );
    try {
      await untilAnswered(() => this.#client.multi(creations, options));
    } catch (error) {
      const exists = ZooKeeperError.is(error, "NODE_EXISTS");
      if (!exists || !(await this.#isSame(path, data, options))) throw error;
    }
    return id;
  }

  /**
   * Waits for the decision, and makes it when it can be made. Errors: BAD_ARGUMENTS; NO_NODE, when the transaction was not
   * begun or is finished; ABORTED; SESSION_EXPIRED, CLOSED.
   */
  async outcome(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<Decision> {
    return this.#wait(id, signal, async (transaction) => {
      if (transaction.decision !== undefined) return transaction.decision;
      const decision = verdict(transaction, systemClock.wallMs());
      return decision && this.#board.decide(transaction, decision);
    });
  }

  /**
   * Waits until all participants have carried out the decision, and removes the transaction. Nobody can learn its outcome
   * afterwards. Errors: as of `outcome`.
   */
  async finish(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const transaction = await this.#wait(id, signal, async (found) => {
      return found.decision !== undefined && found.waitsFor.length === 0 ? found : undefined;
    });
    const path = this.#board.pathOf(id);
    const paths = [...transaction.participants.map(({ name }) => childOf(path, name)), path];
    try {
      await untilAnswered(() => this.#client.multi(paths.map((each) => ({ type: "delete", path: each }))));
    } catch (error) {
      // By somebody else, or by an attempt of which the answer was lost.
      if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
    }
  }

  /**
   * All transactions that are not finished, also those of other coordinators. `waitsFor` tells who keeps one from going on,
   * and `beganMs` since when. They may be a little behind.
   */
  transactions(): Transaction[] {
    return this.#board
      .ids()
      .map((id) => this.#board.known(id))
      .filter((transaction) => transaction !== undefined);
  }

  /** Follows the transactions no more, which go on. */
  close(): void {
    this.#board.close();
  }

  async #isSame(path: string, data: Uint8Array, options?: CallOptions): Promise<boolean> {
    await this.#client.sync(path, options);
    const existing = decodeTransaction((await this.#client.get(path, options)).data);
    if (existing === undefined) return false;
    const { participants, timeoutMs, payload } = existing;
    return Buffer.compare(encode({ participants, timeoutMs, payload }), data) === 0;
  }

  /** Looks at a transaction whenever it changes, and when its time is over, until `look` finds something. */
  async #wait<T>(
    id: string,
    signal: AbortSignal | undefined,
    look: (transaction: Transaction) => Promise<T | undefined>,
  ): Promise<T> {
    checkId(id);
    const path = this.#board.pathOf(id);
    const ending = AbortSignal.any([this.#ended.signal, ...(signal ? [signal] : [])]);
    let woken = Promise.withResolvers<void>();
    const stopListening = this.#board.listen((changed) => {
      if (changed === id) woken.resolve();
    });
    let cancel = () => {};
    try {
      for (;;) {
        woken = Promise.withResolvers();
        const transaction = await unlessAborted(path, ending, this.#board.read(id));
        if (transaction === undefined) {
          const message = `the transaction ${id} was not begun, or is finished`;
          throw new ZooKeeperError("NO_NODE", message, { path });
        }
        const found = await unlessAborted(path, ending, look(transaction));
        if (found !== undefined) return found;
        const dueMs = transaction.beganMs + transaction.timeoutMs;
        if (transaction.decision === undefined) {
          cancel = systemClock.timer(Math.max(1, dueMs - systemClock.wallMs()), woken.resolve);
        }
        await unlessAborted(path, ending, woken.promise);
        cancel();
      }
    } catch (error) {
      if (this.#ended.signal.aborted && ZooKeeperError.is(error, "ABORTED")) throw this.#ended.signal.reason;
      throw error;
    } finally {
      cancel();
      stopListening();
    }
  }
}

/** Errors: BAD_ARGUMENTS. */
function checkId(id: string): void {
  checkName("id of the transaction", id);
}

/** Errors: BAD_ARGUMENTS. */
function checkRequest(id: string, participants: readonly string[], data: Uint8Array): void {
  checkId(id);
  for (const name of participants) checkName("name of a participant", name);
  const count = participants.length;
  const problem =
    count < 1 || count > PARTICIPANTS_MAX || new Set(participants).size < count
      ? `there are ${count} participants; allowed: 1 to ${PARTICIPANTS_MAX}, each once`
      : data.length > DATA_BYTES_MAX
        ? `names and payload have ${data.length} bytes as JSON; allowed: ${DATA_BYTES_MAX}`
        : undefined;
  if (problem !== undefined) {
    throw new ZooKeeperError("BAD_ARGUMENTS", `begin transaction ${id}: ${problem}`);
  }
}
