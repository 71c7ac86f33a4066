import { type Change, parentOf, Tree } from "../../../src/coordination/embedded/tree.ts";
import type { ZnodeEvent } from "../../../src/coordination/watches.ts";
import { Pipe } from "./pipe.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** One step of the history that all members share. */
export interface Step<Session> {
  readonly changes: readonly Change[];
  /** The session that ends with it. */
  readonly ended?: Session;
}

/** What a member tells those who are connected to it. */
export interface MemberEvents<Session> {
  onZnode(event: ZnodeEvent, path: string): void;
  onEnded(session: Session): void;
}

/**
 * A follower: it makes the leader's steps in the same order, each a while later, and answers reads with what it has
 * made so far. In ZooKeeper too only a `sync`, or a write of one's own, makes sure that it has made all there are.
 */
export class CoordinationMember<Session> {
  readonly tree = new Tree();
  /** While set, it gets no steps. */
  isBehind = false;
  readonly #steps: Pipe<Step<Session>>;
  readonly #events: MemberEvents<Session>;
  readonly #waiting: { readonly zxid: number; readonly resolve: () => void }[] = [];

  constructor(name: string, scheduler: Scheduler, random: Random, events: MemberEvents<Session>) {
    this.#events = events;
    const link = {
      latencyMs: () => random.between(0.1, 2) * (random.chance(0.03) ? random.between(5, 200) : 1),
      isCut: () => this.isBehind,
    };
    this.#steps = new Pipe(scheduler, name, link, (step) => this.#apply(step));
  }

  follow(step: Step<Session>): void {
    this.#steps.send(step);
  }

  /** Resolves when it has made all steps up to the transaction. */
  until(zxid: number): Promise<void> {
    if (this.tree.zxid >= zxid) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ zxid, resolve }));
  }

  #apply({ changes, ended }: Step<Session>): void {
    for (const change of changes) {
      this.tree.apply(change);
      this.#tell(change);
    }
    if (ended !== undefined) this.#events.onEnded(ended);
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.zxid <= this.tree.zxid) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }

  #tell({ kind, path }: Change): void {
    if (kind === "set") {
      this.#events.onZnode("changed", path);
    } else {
      this.#events.onZnode(kind === "create" ? "created" : "deleted", path);
      this.#events.onZnode("children", parentOf(path));
    }
  }
}
