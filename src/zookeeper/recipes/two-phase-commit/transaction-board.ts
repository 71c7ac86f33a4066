import { Listeners } from "../../../common/listeners.ts";
import { ZooKeeperError } from "../../errors.ts";
import { childOf } from "../../paths.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { ZnodeCache } from "../cache/znode-cache.ts";
import { untilAnswered } from "../lost-answers.ts";
import { unlessMissing } from "../missing.ts";
import {
  type Decision,
  decodeParticipant,
  decodeTransaction,
  encode,
  type Transaction,
  toTransaction,
} from "./transaction.ts";

/** Calls without a deadline end with the session. */
const UNTIL_SESSION_ENDS = { deadlineMs: Number.POSITIVE_INFINITY };

/** The version of a transaction's data until it is decided, and of a participant's until it votes. */
export const UNDECIDED = 0;

/**
 * The transactions below a path: `[id]` has what is to be done, and later the decision; `[id]/[participant]` the vote.
 * Whoever looks at them may decide one, by a compare-and-set: the first decision is the only one.
 */
export class TransactionBoard {
  readonly #client: ZooKeeper;
  readonly #path: string;
  readonly #cache: ZnodeCache;
  readonly #changed = new Listeners<string>();

  /** Tells `onEnd` when it follows the transactions no more. */
  constructor(client: ZooKeeper, path: string, onEnd: (error: ZooKeeperError) => void) {
    this.#client = client;
    this.#path = path;
    this.#cache = new ZnodeCache(client, path);
    this.#cache.listen((event) => {
      if (event.type === "ended") onEnd(event.error);
      if (!("path" in event) || event.path === path) return;
      const [id = ""] = event.path.slice(path === "/" ? 1 : path.length + 1).split("/");
      this.#changed.tell(id);
    });
  }

  /** Creates the path, and begins to follow what is below it. */
  async start(signal: AbortSignal | undefined): Promise<void> {
    await untilAnswered(() => this.#client.createAll(this.#path, { signal }));
    await this.#cache.start({ ...(signal && { signal }) });
  }

  close(): void {
    this.#cache.close();
  }

  /** Calls `listener` with the id of each transaction that has changed. Returns a function that stops it. */
  listen(listener: (id: string) => void): () => void {
    return this.#changed.add(listener);
  }

  /** Ids of all transactions, as far as they are known. */
  ids(): string[] {
    return this.#cache.children(this.#path);
  }

  /** A transaction as far as it is known. */
  known(id: string): Transaction | undefined {
    const path = this.pathOf(id);
    const znode = this.#cache.get(path);
    if (znode === undefined) return undefined;
    const data = decodeTransaction(znode.data);
    if (data === undefined) return undefined;
    return toTransaction(id, data, znode.stat.ctimeMs, (name) => {
      const participant = this.#cache.get(childOf(path, name));
      return participant && decodeParticipant(participant.data);
    });
  }

  /** Reads a transaction. Undefined when there is none. Errors: those of the session. */
  async read(id: string): Promise<Transaction | undefined> {
    for (;;) {
      try {
        const found = await this.#readHere(id);
        if (found !== undefined) return found;
        // This server may not have seen yet that another client began it.
        await this.#client.sync(this.pathOf(id), UNTIL_SESSION_ENDS);
        return await this.#readHere(id);
      } catch (error) {
        // A client can be told to repeat no call.
        if (!ZooKeeperError.is(error, "CONNECTION_LOSS")) throw error;
      }
    }
  }

  async #readHere(id: string): Promise<Transaction | undefined> {
    const path = this.pathOf(id);
    const found = await unlessMissing(this.#client.get(path, UNTIL_SESSION_ENDS));
    if (found === undefined) return undefined;
    const data = decodeTransaction(found.data);
    if (data === undefined) return undefined;
    const votes = await Promise.all(
      data.participants.map(async (name) => {
        const vote = await unlessMissing(this.#client.get(childOf(path, name), UNTIL_SESSION_ENDS));
        return [name, vote && decodeParticipant(vote.data)] as const;
      }),
    );
    const byName = new Map(votes);
    return toTransaction(id, data, found.stat.ctimeMs, (name) => byName.get(name));
  }

  /**
   * Decides a transaction, unless it is decided. Resolves with what is decided, be it by somebody else; undefined when the
   * transaction is not there any more. Errors: those of the session.
   */
  async decide(
    { id, participants, timeoutMs, payload }: Transaction,
    decision: Decision,
  ): Promise<Decision | undefined> {
    const names = participants.map(({ name }) => name);
    const data = encode({ participants: names, timeoutMs, payload, decision });
    const path = this.pathOf(id);
    try {
      await untilAnswered(() => this.#client.set(path, data, { version: UNDECIDED, ...UNTIL_SESSION_ENDS }));
      return decision;
    } catch (error) {
      // By somebody else, or by an attempt of which the answer was lost.
      if (ZooKeeperError.is(error, "BAD_VERSION")) return (await this.read(id))?.decision;
      if (ZooKeeperError.is(error, "NO_NODE")) return undefined;
      throw error;
    }
  }

  pathOf(id: string): string {
    return childOf(this.#path, id);
  }
}
