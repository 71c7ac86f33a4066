import type { Clock } from "../../common/clock.ts";
import { messageOf } from "../../common/message-of.ts";
import { CoordinationError } from "../coordination.ts";
import type { ZnodeEvent } from "../watches.ts";
import { Outbox } from "./outbox.ts";
import { type Change, parentOf, type Tree } from "./tree.ts";

/** Makes changes durable. An error ends the service. */
export type SaveChanges = (changes: readonly Change[]) => Promise<void>;

/** What the service tells a session. */
export interface ServedSession {
  /** An event happened at `path` of the tree. */
  notify(event: ZnodeEvent, path: string): void;
  /** The service has failed, and the session ends with it. */
  fail(error: CoordinationError): void;
  /** Ends the session; `done` is called when every session knows. */
  end(done: () => void): void;
  close(): Promise<void>;
}

/** State that the sessions of an embedded service share: the tree, and the order in which they learn of its changes. */
export class Server {
  readonly clock: Clock;
  readonly tree: Tree;
  readonly sessionTimeoutMs: number;
  /** The sessions that have not ended. */
  readonly sessions = new Set<ServedSession>();
  readonly #outbox: Outbox;
  #publishedZxid: number;
  #failure: CoordinationError | undefined;

  constructor(clock: Clock, tree: Tree, sessionTimeoutMs: number, save: SaveChanges | undefined) {
    this.clock = clock;
    this.tree = tree;
    this.sessionTimeoutMs = sessionTimeoutMs;
    this.#publishedZxid = tree.zxid;
    this.#outbox = new Outbox(save, (error) => this.#fail(error));
  }

  /** The last transaction that connected sessions know of. */
  get publishedZxid(): number {
    return this.#publishedZxid;
  }

  /** Why the service can save no more changes. */
  get failure(): CoordinationError | undefined {
    return this.#failure;
  }

  /**
   * Saves changes of the tree, tells the sessions of them, and then calls `deliver`. Pushes are delivered in order.
   */
  push(changes: readonly Change[], deliver: () => void): void {
    this.#outbox.push(changes, () => {
      for (const change of changes) this.#publish(change);
      deliver();
    });
  }

  #publish({ kind, path, zxid }: Change): void {
    this.#publishedZxid = zxid;
    for (const session of this.sessions) {
      if (kind === "set") {
        session.notify("changed", path);
      } else {
        session.notify(kind === "create" ? "created" : "deleted", path);
        session.notify("children", parentOf(path));
      }
    }
  }

  #fail(error: unknown): void {
    const message = messageOf(error);
    this.#failure = new CoordinationError("SYSTEM", message, { cause: error });
    for (const session of this.sessions) session.fail(this.#failure);
    this.sessions.clear();
  }
}
