import type { KeyGuard } from "../../src/cluster/kv/key-guard.ts";
import { KvStateMachine } from "../../src/cluster/kv/kv-state-machine.ts";
import type { NodeView } from "../../src/cluster/metadata/model.ts";
import type { Primary } from "../../src/cluster/replication/primary.ts";
import type { Replica } from "../../src/cluster/replication/replica.ts";
import { heartbeatMs, type ReplicationSettings } from "../../src/cluster/replication/settings.ts";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type { Change } from "../../src/cluster/storage/model.ts";
import { WatchHub } from "../../src/cluster/watch/hub.ts";
import type { Clock } from "../../src/common/clock.ts";
import { LogDisk } from "./log-disk.ts";

/** A node of a group: a process that comes and goes, and a disk that stays. */
export class ReplicaNode {
  readonly number: number;
  readonly disk = new LogDisk();
  /** Open, unless the process has ended. */
  store: LogStore | undefined;
  replica: Replica | undefined;
  /** Set while it is the primary, as far as it knows. */
  keys: KvStateMachine | undefined;
  /** Set while it is registered. */
  view: NodeView | undefined;
  #isDown = true;

  constructor(number: number) {
    this.number = number;
  }

  /** Opens its log, unless its process has it open. */
  async open(options: { clock: Clock; requestsMax: number }): Promise<LogStore> {
    if (!this.#isDown && this.store !== undefined) return this.store;
    // Every user of the log reports its failure too.
    this.store = await this.disk.open({ ...options, onFatal: () => {} });
    this.#isDown = false;
    return this.store;
  }

  /** Its process ends at once; writes that are not on disk are lost. */
  crash(): void {
    this.replica?.stop();
    this.replica = undefined;
    this.#isDown = true;
    this.disk.crash();
  }

  /** What its log holds: puts, deletes (`-`) and expiries (`~`). */
  get contents(): string[] {
    return this.disk.records.flatMap(({ changes }) => changes.map(shown));
  }

  /** The keys of its log, on top of a primary. `isForeign`: of another group's keys that are in the log. */
  keysOf(
    primary: Primary,
    clock: Clock,
    settings: ReplicationSettings,
    isForeign: (key: string) => boolean,
  ): KvStateMachine {
    const { store } = this;
    if (store === undefined) throw new Error(`node ${this.number} was never started`);
    const watches = new WatchHub(store, clock, (error) => {
      throw error;
    });
    return new KvStateMachine({
      primary,
      keys: store,
      watches,
      guard: allKeysBut(isForeign),
      clock,
      expiryTickMs: heartbeatMs(settings),
    });
  }
}

/** One group has all other keys, for good. */
function allKeysBut(isForeign: (key: string) => boolean): KeyGuard {
  return {
    check: () => undefined,
    hasLeft: false,
    takesWrites: (key) => !isForeign(key),
    served: () => ({ ringVersion: 1, has: (key) => !isForeign(key) }),
  };
}

function shown({ kind, key, value }: Change): string {
  return kind === "put"
    ? `${key}=${new TextDecoder().decode(value)}`
    : `${kind === "delete" ? "-" : "~"}${key}`;
}
