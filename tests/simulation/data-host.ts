import { DataNode } from "../../src/cluster/data-node.ts";
import { openLog } from "../../src/cluster/log/open-log.ts";
import type { LogStore } from "../../src/cluster/log-store.ts";
import { addressOf } from "../support/address.ts";
import {
  createSimulatedDisk,
  type DiskOperation,
  type SimulatedDisk,
  systemError,
} from "../support/simulated-disk.ts";
import { sessionOpener } from "./coordination-client.ts";
import { Host } from "./host.ts";
import { keyServices } from "./key-services.ts";
import { observe } from "./observed-store.ts";
import { peersOf } from "./peers.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import { ShadowLog } from "./shadow-log.ts";
import { count, type World } from "./world.ts";

const dbfile = "db.txt";
const rbfile = "rollback.txt";

/** A machine with a data node: its disk stays when the process ends. */
export class DataHost extends Host {
  readonly group: string;
  replica: ShadowLog;
  /** Factor by which the disk is slower than usual. */
  diskSlowness = 1;
  /** Fails once, with the next write or sync. */
  failsNextWrite = false;
  #disk: SimulatedDisk;
  #store: LogStore | undefined;
  readonly #random: Random;

  constructor(world: World, name: string, group: string) {
    super(world, name);
    this.group = group;
    this.#random = new Random(`${world.seed} ${name} disk`);
    this.#disk = createSimulatedDisk();
    this.replica = this.#newReplica();
  }

  /** The log while it is open. */
  get store(): LogStore | undefined {
    return this.#store;
  }

  /** Bytes of the log file on the disk. */
  get logBytes(): Buffer {
    return this.#disk.contents(dbfile) ?? Buffer.alloc(0);
  }

  /** What the files may still grow by. */
  set freeBytes(bytes: number) {
    this.#disk.freeBytes = bytes;
  }

  /** The machine loses power: what was not synced is lost, torn or there. */
  losePower(): void {
    this.kill();
    this.#disk.crash(() => this.#random.pick([0, 1, this.#random.next()]));
  }

  /** The disk is replaced by an empty one. */
  wipe(): void {
    this.kill();
    this.replica.isSpoiled = true;
    this.#disk = createSimulatedDisk();
    this.replica = this.#newReplica();
  }

  /**
   * A byte of the log changes while nobody looks. Not in its header, without which nobody knows whose log it is; and
   * in the first half, since a flaw in the very end cannot be told from a write that was not finished.
   */
  flipByte(): void {
    this.kill();
    const bytes = this.logBytes;
    const offset = Math.floor(this.#random.between(bytes.indexOf("\n") + 1, bytes.length / 2));
    if (bytes.length < 400) return;
    this.#disk.flip(dbfile, offset, 1 << this.#random.below(8));
    this.replica.isSpoiled = true;
  }

  protected async run(process: SimProcess): Promise<void> {
    const { profile, network, coordination, invariants, scheduler } = this.world;
    this.#disk.intercept = (operation) => this.#delay(process, operation);
    const store = await openLog({
      disk: this.#disk,
      dbfile,
      rbfile,
      clock: process.clock,
      onFatal: (error) => this.failed(process, error),
      log: (message) => process.log(message),
      requestsMax: profile.requestsMax,
    });
    this.#store = store;
    if (store.condition.kind !== "intact") count(this.world, `log ${store.condition.kind}`);
    const { replica, group } = this;
    invariants.opened(replica, store);
    observe(store, replica, process, invariants, () => scheduler.nowMs);
    const node = new DataNode({
      group,
      store,
      openSession: sessionOpener(coordination, process),
      clock: process.clock,
      access: "open",
      peerAt: peersOf(process, network, invariants, () => scheduler.nowMs, replica),
      settings: profile.replication,
      valueBytesMax: 1024 * 1024,
      log: (message) => process.log(message),
      onFailure: (error) => this.failed(process, error),
    });
    this.onLeave = async () => {
      await node.leave();
      await store.close();
    };
    network.listen(process, {
      append: async (request) => {
        const response = await node.append(request);
        invariants.answering(replica, request, response);
        return response;
      },
      countMisplaced: (request) => node.countMisplaced(request),
      handOver: (request, signal) => node.handOver(request, signal),
      position: (request) => node.position(request),
      reportSilence: () => Promise.reject(new Error("this is a data node")),
      ...keyServices({ node, store, process, invariants }),
    });
    await node.join(addressOf(`${this.name}:1926`));
    invariants.moment("registration", group);
  }

  protected override ended(): void {
    this.replica.closed();
    this.#store = undefined;
    this.#disk.kill();
  }

  #newReplica(): ShadowLog {
    const replica = new ShadowLog(this.name, this.group);
    this.world.invariants.group(this.group).replicas.add(replica);
    return replica;
  }

  #delay(process: SimProcess, { kind, path }: DiskOperation): Promise<void> {
    const { diskLatencyMs } = this.world.profile;
    const random = this.#random;
    const isWrite = kind === "write" || kind === "datasync";
    const usualMs = diskLatencyMs * random.between(0.2, 1.2) * (isWrite ? 1 : 0.1);
    const stall = random.chance(0.005) ? random.between(5, 50) : 1;
    // Not the product: an operation that a slow disk has begun must end soon after the fault does.
    const delayMs = usualMs * Math.max(stall, this.diskSlowness);
    const fails = isWrite && this.failsNextWrite;
    if (fails) this.failsNextWrite = false;
    return new Promise((resolve, reject) => {
      process.deliver(delayMs, `disk ${kind}`, () => (fails ? reject(systemError("EIO", path)) : resolve()));
    });
  }
}
