import type { Clock } from "../../common/clock.ts";
import { CoordinationError } from "../coordination.ts";
import { Outbox } from "./outbox.ts";
import type { EmbeddedSession } from "./session.ts";
import { type Change, parentOf, type Tree } from "./tree.ts";

/** Makes changes last. Errors: it is then over with the service. */
export type SaveChanges = (changes: readonly Change[]) => Promise<void>;

/** What the sessions of an embedded service share: the tree, and the order in which they learn of its changes. */
export class Server {
  readonly clock: Clock;
  readonly tree: Tree;
  readonly sessionTimeoutMs: number;
  /** Those that may still be told something. */
  readonly sessions = new Set<EmbeddedSession>();
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

  /** The last transaction that connected sessions were told of. */
  get publishedZxid(): number {
    return this.#publishedZxid;
  }

  /** Why nothing can be saved any more. */
  get failure(): CoordinationError | undefined {
    return this.#failure;
  }

  /**
   * Tells the sessions of changes of the tree and then calls `deliver`, when the changes are saved and everything that
   * was pushed before has been delivered.
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
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = new CoordinationError("SYSTEM", message, { cause: error });
    for (const session of this.sessions) session.fail(this.#failure);
    this.sessions.clear();
  }
}
