import { KvClient, KvError, type KvEvent, type KvProgress, type WatchOptions } from "kvlab";
import type { WatchRequest } from "../../../gen/kvlab/v1/data_pb.ts";
import { type Positions, positionsOf, tokenOf } from "../../../src/client/positions.ts";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { WatchScope } from "../../../src/cluster/watch/scope.ts";
import { sleep } from "../../../src/common/clock.ts";
import { isOwn, seqAt } from "../checks/revisions.ts";
import { ToldEvents } from "../checks/told-events.ts";
import { ToldMoves } from "../checks/told-moves.ts";
import { isLostRightly } from "../checks/watch-check.ts";
import { SimProcess } from "../world/process.ts";
import { Random } from "../world/random.ts";
import { count, type World } from "../world/world.ts";
import type { CalledCluster } from "./called-cluster.ts";
import { environmentOf } from "./environment.ts";

/** Longest time until all groups have answered first. */
const deadlineMs = 8000;

/** How far a group was when a watch was asked for, and in which of its eras. */
interface Begun {
  readonly firstEpoch: number;
  readonly seq: number;
}

/** One program that watches keys of all groups, from one token to the next, and looks at all that it is told. */
export class WatchClient {
  readonly #world: World;
  readonly #cluster: CalledCluster;
  readonly #random: Random;
  readonly #process: SimProcess;
  readonly #kv: KvClient;
  readonly #scope: WatchScope;
  readonly #previous: boolean;
  readonly #told: ToldEvents | ToldMoves;
  /** Since when the present stream of each group is open. */
  readonly #openMs = new Map<string, number>();
  /** After each event, about: who is slow gets behind, and is told from the log. */
  #pauseMs: number;
  #isHurried = false;
  /** What came last, the newest last; nothing before the first watch, and when the history was lost. */
  #last: { readonly token: string }[] = [];
  /** Recoveries of its groups before the present watch. */
  #recoveries = 0;

  constructor(cluster: CalledCluster, number: number) {
    const { world } = cluster;
    const { seed, scheduler, trace, profile, network, invariants } = world;
    const random = new Random(`${seed} watch ${number}`);
    this.#world = world;
    this.#cluster = cluster;
    this.#random = random;
    const key = random.pick(profile.keys);
    this.#scope = random.pick<WatchScope>([
      { kind: "all" },
      { kind: "all" },
      { kind: "prefix", prefix: random.pick(["k", "{t}", ""]) },
      { kind: "key", key },
    ]);
    this.#previous = random.chance(0.5);
    this.#pauseMs = random.pick([0, 0, 300, 3000]);
    this.#process = new SimProcess(`w${number}`, 1, seed, scheduler, trace);
    const fullDuplex = random.chance(0.75);
    this.#kv = new KvClient(
      {
        routers: random.shuffle(cluster.routers.map(({ name }) => `${name}:1926`)),
        direct: fullDuplex && random.chance(0.7),
      },
      environmentOf({
        process: this.#process,
        network,
        fullDuplex,
        tap: { opened: (request) => this.#tap(request) },
      }),
    );
    const { ring } = invariants;
    const asked = { scope: this.#scope, previous: this.#previous };
    const logOf = (group: string) => invariants.group(group);
    if (ring !== undefined) this.#told = new ToldMoves({ ...asked, ring, logOf, keys: profile.keys });
    else
      this.#told = new ToldEvents({
        ...asked,
        logsOf: (group) => invariants.group(group).eras,
        groupOf: (of) => cluster.groupOf(of),
      });
    this.#process.deliver(random.between(0, 5000), "watch", () => void this.#run());
  }

  get name(): string {
    return this.#process.name;
  }

  /** The groups that the scope lies in. */
  get groups(): readonly string[] {
    // A group that is outside the ring need not be told of.
    if (this.#scope.kind !== "key") return this.#cluster.ringGroups;
    const group = this.#cluster.groupOf(this.#scope.key);
    return group === undefined ? [] : [group];
  }

  /** Whether it was told everything that is committed. */
  get isCurrent(): boolean {
    if (this.#world.invariants.ring?.isExact === false) return true;
    return this.#last.length > 0 && this.#told.isCurrent(this.groups);
  }

  /** Since when the present streams of all groups have been open; infinite while one is not. */
  get openSinceMs(): number {
    return Math.max(...this.groups.map((group) => this.#openMs.get(group) ?? Number.POSITIVE_INFINITY));
  }

  /** From now on it is not slow, and waits for nothing. */
  hurry(): void {
    this.#isHurried = true;
    this.#pauseMs = 0;
  }

  #tap(request: unknown) {
    if (!isWatch(request)) return undefined;
    const { group } = request;
    return {
      message: () => {
        if (!this.#openMs.has(group)) this.#openMs.set(group, this.#world.scheduler.nowMs);
      },
      ended: () => this.#openMs.delete(group),
    };
  }

  async #run(): Promise<never> {
    for (;;) {
      // Of which group a key is can change until then.
      if (this.#world.invariants.isRingClosed) await this.#watch().catch((error) => this.#failed(error));
      await sleep(this.#process.clock, this.#random.between(10, 1000));
    }
  }

  /** Watches for a while: of a watch that lasts for ever nobody would see how it goes on. */
  async #watch(): Promise<void> {
    const random = this.#random;
    const { clock } = this.#process;
    const after = await this.#token();
    const ending = new AbortController();
    const cancel = clock.timer(random.between(500, 15_000), () => ending.abort(new Error("enough")));
    const begun = new Map(this.groups.map((group) => [group, this.#begun(group)]));
    this.#recoveries = this.#recoveriesNow;
    if (after !== undefined) this.#told.begin(positionsOf(after));
    count(this.#world, after === undefined ? "watch begun" : "watch resumed");
    let isFirst = after === undefined;
    try {
      for await (const told of this.#open({ after, signal: ending.signal })) {
        if (isFirst) this.#begin(positionsOf(told.token), begun, told);
        isFirst = false;
        this.#take(told);
        if (this.#pauseMs > 0) await sleep(clock, this.#pauseMs * random.between(0, 2));
      }
    } finally {
      cancel();
    }
  }

  #open(options: Pick<WatchOptions, "after" | "signal">): AsyncIterable<KvEvent | KvProgress> {
    const scope = this.#scope;
    const where =
      scope.kind === "key" ? { key: scope.key } : scope.kind === "prefix" ? { prefix: scope.prefix } : {};
    return this.#kv.watch({ ...where, ...options, previous: this.#previous, progress: true, deadlineMs });
  }

  /** Where to begin; undefined: now. */
  async #token(): Promise<string | undefined> {
    const random = this.#random;
    if (this.#world.profile.changesRing && !this.#isHurried && random.chance(0.2)) {
      await this.#untilSealed();
      this.#last = [];
    }
    const last = this.#last.at(-1)?.token;
    if (last === undefined) return random.chance(0.3) ? await this.#scanned() : undefined;
    if (random.chance(0.1)) await this.#tryForeign(positionsOf(last));
    const { token } = random.chance(0.2) ? random.pick(this.#last) : { token: last };
    this.#last = [{ token }];
    return token;
  }

  /** Waits a while for keys that are about to change hands: a watch or scan that begins then must have no gap. */
  async #untilSealed(): Promise<void> {
    const { clock } = this.#process;
    const { counts } = this.#world.invariants;
    const before = counts.seal ?? 0;
    for (let i = 0; i < 100 && (counts.seal ?? 0) === before; i++) await sleep(clock, 20);
  }

  /** The token of a scan: a watch after it misses nothing. */
  async #scanned(): Promise<string | undefined> {
    const scan = this.#kv.scan({ keysOnly: true, deadlineMs });
    for await (const _key of scan) {
    }
    const token = scan.watchToken;
    if (token === undefined) this.#violated("scans all groups, and has no token to watch after");
    else this.#last = [{ token }];
    return token;
  }

  /** The first answer says where the watch begins: not before what was committed when it was asked for. */
  #begin(positions: Positions, begun: ReadonlyMap<string, Begun>, told: KvEvent | KvProgress): void {
    if (told.type !== "progress") this.#violated("is told of changes before it knows where it begins");
    this.#told.begin(positions);
    const ring = this.#world.invariants.ring?.rings.get(Number(positions.ring.version));
    for (const [group, { firstEpoch, seq }] of begun) {
      if (this.#facts(group).firstEpoch !== firstEpoch) continue;
      // With an old view of the ring: of a group that has entered it since, or is not known yet, all will be told.
      if (ring !== undefined && !ring.groups.includes(group)) continue;
      const { revision } = positions.groups.get(group) ?? {};
      if (revision !== undefined && seqAt(this.#facts(group), Number(revision)) < seq)
        this.#violated(`begins at ${revision} of ${group}, and ${seq} was committed already`);
    }
  }

  #take(told: KvEvent | KvProgress): void {
    if (told.type !== "progress") {
      const problem = this.#told.take(told);
      if (problem !== undefined) this.#violated(problem);
      count(this.#world, "watch told");
      this.#process.log(`told of ${told.key} ${told.revision}`);
    }
    this.#last = [...this.#last.slice(-4), told];
    // To make a token and to read it takes longer than all else.
    if (told.type !== "progress" && !this.#random.chance(0.2)) return;
    const problem = this.#told.reached(positionsOf(told.token));
    if (problem !== undefined) this.#violated(problem);
  }

  /** Where one has come to in another history is no place to go on from. */
  async #tryForeign(positions: Positions): Promise<void> {
    const places = [...positions.groups].filter(([group]) => this.groups.includes(group));
    if (!places.some(([, { revision }]) => revision > 0n)) return;
    const foreign = places.map(
      ([group, { revision, epoch }]) => [group, { revision, epoch: epoch + 1000n }] as const,
    );
    const after = tokenOf({ ...positions, groups: new Map(foreign) });
    const watch = this.#kv.watch({ after, deadlineMs });
    try {
      await watch.ready();
      this.#violated("goes on from a place that is not in its group's history");
    } catch (error) {
      const { code } = KvError.from(error);
      if (code !== "history-lost") throw error;
    } finally {
      await watch[Symbol.asyncIterator]().return?.();
    }
  }

  #failed(error: unknown): void {
    const { code, message } = KvError.from(error);
    this.#process.log(`${code}: ${message}`);
    if (code !== "history-lost") return;
    count(this.#world, "watch history lost");
    const token = this.#last.at(-1)?.token;
    const places = token === undefined ? [] : [...positionsOf(token).groups];
    const isRight = places.some(([group, { revision, epoch }]) => {
      const { committed, aheads, replicas } = this.#facts(group);
      const seq = seqAt({ aheads }, Number(revision));
      return isLostRightly(committed, replicas, {
        seq,
        epoch: Number(epoch) || (committed[seq - 1]?.epoch ?? 0),
      });
    });
    // A stream may have been further than what was taken of it.
    const isRecovered = this.#recoveriesNow > this.#recoveries;
    // A group that has come back into the ring is told from its beginning, which may be gone.
    const { changesRing, groups } = this.#world.profile;
    const mayHaveEntered = changesRing && groups.some((group) => !places.some(([known]) => known === group));
    if (!isRight && !isRecovered && !mayHaveEntered)
      this.#violated(`is told that the history is lost, and every node has it: ${message}`);
    this.#last = [];
  }

  #facts(group: string) {
    return this.#world.invariants.group(group);
  }

  #begun(group: string): Begun {
    const { firstEpoch, committed } = this.#facts(group);
    // Of a group that was not in the ring yet all is told, and that is no change of a key.
    const isTold = (record: LogRecord | undefined) =>
      record === undefined || (isOwn(record) && record.changes.length > 0);
    return { firstEpoch, seq: committed.findLastIndex(isTold) + 1 };
  }

  get #recoveriesNow(): number {
    return this.groups.reduce((sum, group) => sum + this.#facts(group).past.length, 0);
  }

  #violated(what: string): void {
    // Of what is not known, nobody can say who was told of it.
    if (this.#world.invariants.ring?.isExact === false) return;
    const scope = JSON.stringify(this.#scope);
    this.#world.invariants.violated(`the watch ${this.#process.name} of ${scope} ${what}`);
  }
}

function isWatch(request: unknown): request is WatchRequest {
  return typeof request === "object" && request !== null && "afterEpoch" in request;
}
