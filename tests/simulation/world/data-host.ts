import { DataNode } from "../../../src/cluster/node/data-node.ts";
import type { IncomingStream } from "../../../src/cluster/replication/peer.ts";
import { RejoinRefused } from "../../../src/cluster/replication/rejoin.ts";
import { LogFileError } from "../../../src/cluster/storage/errors.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { openLog } from "../../../src/cluster/storage/open.ts";
import { moveRoutes } from "../../../src/rpc/internal/move-service.ts";
import { replicationRoutes } from "../../../src/rpc/internal/replication-service.ts";
import { dataRoutes } from "../../../src/rpc/kv/data-service.ts";
import { addressOf } from "../../support/address.ts";
import { type DiskOperation, SimulatedDisk, systemError } from "../../support/simulated-disk.ts";
import { observeCalls } from "../checks/observed-calls.ts";
import { observe } from "../checks/observed-store.ts";
import { type LogFacts, ShadowLog } from "../checks/shadow-log.ts";
import { sessionOpener } from "./coordination-client.ts";
import { Disorder } from "./disorder.ts";
import { Host } from "./host.ts";
import { peersOf } from "./peers.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import { Routes } from "./routes.ts";
import { count, type World } from "./world.ts";

const dbfile = "db.txt";
const rbfile = "rollback.txt";
const indexFile = "db.txt.index";

/** After which time an operator looks after a node that cannot start. */
const operatorMs = 3000;

/** A copy of a log's file, with its index file if there is one, and what is in it. */
export interface LogCopy {
  readonly bytes: Uint8Array;
  readonly index?: Uint8Array | undefined;
  readonly facts: LogFacts;
}

/** A machine with a data node: its disk stays when the process ends. */
export class DataHost extends Host {
  readonly group: string;
  replica: ShadowLog;
  /** Factor by which the disk is slower than usual. */
  diskSlowness = 1;
  /** Fails once, with the next write or sync. */
  failsNextWrite = false;
  /** While set, nothing that changes the disk is done; each who waits is called when it goes on. */
  #hung: Set<() => void> | undefined;
  #disk: SimulatedDisk;
  #store: LogStore | undefined;
  /** No two machines have a device of the same number. */
  #device: number;
  /** Whether an operator may have to take the log away, since a node refuses to start with it. */
  #mayBeRefused = false;
  /** Whether a node refuses to start beside the `rbfile` of another log. */
  #hasLeftover = false;
  /** Whether the group has refused the log. */
  #isRefused = false;
  readonly #random: Random;
  readonly #indexRandom: Random;

  /** `number` tells it from all other machines. */
  constructor(world: World, name: string, group: string, number: number) {
    super(world, name);
    this.group = group;
    this.#random = new Random(`${world.seed} ${name} disk`);
    this.#indexRandom = new Random(`${world.seed} ${name} index file`);
    this.#device = 1000 * number;
    this.#disk = new SimulatedDisk(this.#device);
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

  hangDisk(): void {
    this.#hung ??= new Set();
  }

  freeDisk(): void {
    const waiting = this.#hung ?? [];
    this.#hung = undefined;
    for (const goOn of waiting) goOn();
  }

  /** What the files may still grow by. */
  set freeBytes(bytes: number) {
    this.#disk.freeBytes = bytes;
  }

  /** A copy of the log as it is now; undefined while no node has a place with it. */
  copyLog(): LogCopy | undefined {
    const { replica, logBytes } = this;
    const hasPlace = replica.number !== undefined && replica.registrations > 0;
    if (!hasPlace) return undefined;
    return { bytes: logBytes, index: this.#disk.contents(indexFile), facts: replica.facts };
  }

  /** The machine loses power: what was not synced is lost, torn or there. */
  losePower(): void {
    this.kill();
    this.#disk.crash(() => this.#random.pick([0, 1, this.#random.next()]));
  }

  /** The disk is replaced by an empty one. */
  wipe(): void {
    this.#lose();
    this.#disk = new SimulatedDisk(++this.#device);
    this.#mayBeRefused = false;
  }

  /** An older copy of this very log comes back, over the file that is there or as another one. */
  restore(copy: LogCopy, inPlace: boolean): void {
    this.kill();
    this.replica.overwritten(copy.facts);
    this.#put(copy, inPlace);
  }

  /** Another log takes the place of this one, which is lost. */
  replaceLog(copy: LogCopy, inPlace: boolean): void {
    this.#lose();
    this.replica.overwritten(copy.facts);
    this.#put(copy, inPlace);
  }

  /** Two machines swap the files of their logs, and so their replicas: nothing is lost. */
  swapFiles(other: DataHost): void {
    for (const host of [this, other]) host.kill();
    const [own, foreign] = [this.#disk.take(dbfile), other.#disk.take(dbfile)];
    this.#disk.give(dbfile, foreign);
    other.#disk.give(dbfile, own);
    [this.replica, other.replica] = [other.replica, this.replica];
    for (const host of [this, other]) host.replica.name = host.name;
  }

  /** A bit of the log changes: anywhere, or at its end, where an interrupted write may have left something, too. */
  flipBit(): void {
    const { logBytes } = this;
    const from = this.#random.chance(0.3) ? Math.max(0, logBytes.length - 100) : 0;
    const offset = from + this.#random.below(logBytes.length - from);
    // Without its header nobody knows whose log it was.
    if (offset <= logBytes.indexOf("\n")) this.#lose();
    else this.kill();
    this.#mayBeRefused = true;
    this.replica.spoil();
    this.#disk.flip(dbfile, offset, 1 << this.#random.below(8));
  }

  /** A byte of the log changes while nobody looks. Not in its header, without which nobody knows whose log it is. */
  flipByte(): void {
    this.kill();
    const bytes = this.logBytes;
    const offset = Math.floor(this.#random.between(bytes.indexOf("\n") + 1, bytes.length));
    if (bytes.length < 400) return;
    this.#disk.flip(dbfile, offset, 1 << this.#random.below(8));
    this.replica.spoil();
    // Sometimes the index file is hit, too, which is no loss.
    const index = this.#disk.contents(indexFile);
    if (index === undefined || this.#indexRandom.chance(0.7)) return;
    this.#disk.flip(indexFile, this.#indexRandom.below(index.length), 1);
  }

  protected async run(process: SimProcess): Promise<void> {
    const { profile, network, coordination, invariants } = this.world;
    this.#disk.intercept = (operation) => this.#delay(process, operation);
    let index = this.#disk.contents(indexFile) && "used";
    const store = await openLog({
      disk: this.#disk,
      dbfile,
      rbfile,
      clock: process.clock,
      onFatal: (error) => this.failed(process, error),
      log: (message) => {
        if (message.includes("is not used")) index = "refused";
        process.log(message);
      },
      requestsMax: profile.requestsMax,
      indexedBytesMin: profile.indexedBytesMin,
    });
    if (index !== undefined) count(this.world, `index file ${index}`);
    this.#store = store;
    const of = store.identity?.group;
    if (of !== undefined && of !== this.group) throw new Error(`the log of group "${of}"`);
    if (store.condition.kind !== "intact") count(this.world, `log ${store.condition.kind}`);
    const { replica, group } = this;
    invariants.opened(replica, store);
    observe(store, replica, process, this.world);
    const node = new DataNode({
      group,
      store,
      openSession: sessionOpener(coordination, process),
      clock: process.clock,
      access: "open",
      peerAt: peersOf(process, this.world, replica),
      whoAnswers: async () => "self",
      settings: profile.replication,
      valueBytesMax: 1024 * 1024,
      log: (message) => process.log(message),
      onFailure: (error) => this.failed(process, error),
    });
    this.onLeave = async () => {
      await node.leave();
      await store.close();
    };
    observeCalls({ node, replica, store, process, world: this.world });
    const routes = new Routes(process);
    dataRoutes(routes, node, process.clock);
    const disorder = new Disorder(this.world, process);
    moveRoutes(routes, {
      moveIn: (request) => node.peers.moveIn(request),
      moveOut: async (request, signal) => {
        const { ring } = invariants;
        if (ring !== undefined) ring.lastMove = { from: request.group, to: request.to };
        invariants.moment(request.step.kind, group);
        const answer = await node.peers.moveOut(request, signal);
        const problem = ring?.giving(request.to, answer.chunk?.records ?? []);
        if (problem !== undefined) invariants.violated(problem);
        return answer;
      },
    });
    replicationRoutes(routes, {
      replicate: () => disorder.of(() => this.#observed(node.peers.replicate())),
      countMisplaced: (request) => node.peers.countMisplaced(request),
      transferLeadership: (request, signal) => node.peers.transferLeadership(request, signal),
      position: (request) => node.peers.position(request),
    });
    network.listen(process, {
      countMisplaced: (request) => node.peers.countMisplaced(request),
      transferLeadership: (request, signal) => node.peers.transferLeadership(request, signal),
      position: (request) => node.peers.position(request),
      reportSilence: () => Promise.reject(new Error("this is a data node")),
      routes,
    });
    await node.join(addressOf(`${this.name}:1926`));
    replica.registrations++;
    this.#mayBeRefused = false;
    this.#hasLeftover = false;
    invariants.moment("registration", group);
  }

  #observed(stream: IncomingStream): IncomingStream {
    const { replica } = this;
    return {
      append: async (request) => {
        const response = await stream.append(request);
        this.world.invariants.answering(replica, request, response);
        return response;
      },
      ended: () => stream.ended(),
    };
  }

  protected override ended(): void {
    this.replica.closed();
    this.#store = undefined;
    this.#disk.kill();
  }

  protected override failed(process: SimProcess, error: unknown): void {
    super.failed(process, error);
    // An operator reads why. What an earlier log has left beside this one is taken away; a node whose log is no loss
    // begins anew.
    this.#hasLeftover ||= error instanceof LogFileError && error.path === rbfile;
    this.#isRefused = error instanceof RejoinRefused;
    if (!this.#mayBeRefused && !this.#hasLeftover && !this.#isRefused) return;
    this.world.scheduler.after(operatorMs, `operator at ${this.name}`, () => this.#mend());
  }

  #mend(): void {
    if (this.#hasLeftover && this.#disk.contents(rbfile) !== undefined) {
      this.kill();
      this.#disk.take(rbfile);
    } else if (this.#isNoLoss()) {
      this.wipe();
    } else return;
    this.#hasLeftover = false;
    this.start();
  }

  /** Whether nobody needs a log with which a node may not start. */
  #isNoLoss(): boolean {
    const group = this.world.invariants.group(this.group);
    if (group.isLost) return this.#mayBeRefused || this.#isRefused;
    return this.#mayBeRefused && group.isWholeBeside(this.replica);
  }

  #put({ bytes, index }: LogCopy, inPlace: boolean): void {
    if (inPlace) this.#disk.overwrite(dbfile, bytes);
    else this.#disk.place(dbfile, bytes);
    // Who copies a log may take its index file for a part of it; and most do not know of it.
    if (index !== undefined && this.#indexRandom.chance(0.3)) this.#disk.place(indexFile, index);
  }

  /** The replica that was here is no more. */
  #lose(): void {
    this.kill();
    this.replica.spoil();
    this.replica = this.#newReplica();
    this.#mayBeRefused = true;
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
      const end = () => {
        process.deliver(delayMs, `disk ${kind}`, () =>
          fails ? reject(systemError("EIO", path)) : resolve(),
        );
      };
      // What is read may be in memory.
      if (this.#hung === undefined || kind === "read" || kind === "open") end();
      else this.#hung.add(end);
    });
  }
}
