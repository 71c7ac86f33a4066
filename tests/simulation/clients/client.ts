import { KvClient, KvError } from "kvlab";
import type { StoreOperation } from "../../checker/store-model.ts";
import { SimProcess } from "../world/process.ts";
import { Random } from "../world/random.ts";
import { count, type World } from "../world/world.ts";
import { BareClient } from "./bare-client.ts";
import type { CalledCluster } from "./called-cluster.ts";
import { type Caller, carryOut } from "./calls.ts";
import { environmentOf } from "./environment.ts";
import { describe, type Errand, Errands, learn } from "./errands.ts";
import { ScanMoments, scanAll, scanMoving } from "./scans.ts";

/** How often a program that was told that the outcome of its named batch is not known sends it again. */
const persistence = 3;

/** Of every call, unless it is hasty. */
const deadlineMs = 10_000;

/** One program: makes a call, or several at once, waits for the answers, thinks, and so on. */
export class Client {
  /** While set, it makes no further calls. */
  isQuiet = false;
  /** Calls under way. */
  busy = 0;
  readonly #number: number;
  readonly #world: World;
  readonly #cluster: CalledCluster;
  readonly #random: Random;
  readonly #process: SimProcess;
  readonly #errands: Errands;
  readonly #known = { revisions: new Map<string, number>() };
  readonly #moments = new ScanMoments();
  readonly #kv: KvClient;
  readonly #caller: Caller;

  constructor(cluster: CalledCluster, number: number) {
    const { world } = cluster;
    this.#number = number;
    this.#world = world;
    this.#cluster = cluster;
    const { seed, scheduler, trace, profile, network } = world;
    const random = new Random(`${seed} client ${number}`);
    this.#random = random;
    this.#process = new SimProcess(`c${number}`, 1, seed, scheduler, trace);
    const routers = random.shuffle(cluster.routers.map(({ name }) => `${name}:1926`));
    const fullDuplex = random.chance(0.75);
    const process = this.#process;
    this.#kv = new KvClient(
      { routers, deadlineMs, direct: fullDuplex && random.chance(0.7) },
      environmentOf({ process, network, fullDuplex, tap: this.#moments }),
    );
    const isBare = number > 1 && random.chance(profile.bare);
    const uses = isBare ? { ...profile, named: 0 } : profile;
    this.#errands = new Errands(String(number), uses, random, this.#known);
    this.#caller = isBare ? new BareClient(process, network, () => random.pick(routers)) : this.#kv;
    this.#think();
  }

  #think(): void {
    const random = this.#random;
    const { thinkMs } = this.#world.profile;
    const delayMs = random.chance(0.2) ? 0 : thinkMs * random.between(0, 4);
    this.#process.deliver(delayMs, "think", () => {
      if (this.isQuiet) return this.#think();
      // Now and then, several calls at once; not in one turn, whose order runtimes need not agree on.
      const more = random.chance(0.05) ? [random.between(0, 3), random.between(0, 3)] : [];
      const calls = [0, ...more].map((afterMs) => this.#later(afterMs));
      void Promise.all(calls).then(() => this.#think());
    });
  }

  #later(afterMs: number): Promise<void> {
    if (afterMs === 0) return this.#next();
    return new Promise((resolve) => {
      this.#process.deliver(afterMs, "think", () => void this.#next().then(resolve));
    });
  }

  async #next(): Promise<void> {
    const errand = this.#errands.next();
    if (errand.operation.kind === "scan") await this.#scan();
    else await this.#act(errand);
  }

  /** Makes a call that tells whether a key can be used. Resolves, when it is over, with whether it succeeded. */
  probe(kind: "get" | "put", key: string): Promise<boolean> {
    return this.#act(this.#errands.plain(kind, key), this.#kv);
  }

  /** Resolves with whether there was an answer. */
  async #act(errand: Errand, caller = this.#caller): Promise<boolean> {
    const { operation, request } = errand;
    const { history } = this.#cluster;
    const id = history.invoke(this.#number, operation);
    const shown = `${describe(errand)}${request === undefined ? "" : ` as ${request}`}`;
    this.#process.log(shown);
    this.busy++;
    try {
      const answer = await this.#persist(errand, caller);
      history.complete(id, answer);
      learn(this.#known, answer);
      this.#end(operation.kind, shown, "ok", JSON.stringify("result" in answer ? answer.result : undefined));
      return true;
    } catch (error) {
      const { code, message } = KvError.from(error);
      const isUnknown = operation.kind !== "get" && !isNothingDone(code);
      if (isUnknown) history.unknown(id);
      else history.failed(id);
      if (code === "invalid") this.#world.invariants.violated(`${shown} is refused as invalid: ${message}`);
      this.#end(operation.kind, shown, isUnknown ? "unknown" : "failed", `${code}: ${message}`);
      return false;
    } finally {
      this.busy--;
    }
  }

  /** Carries an errand out; what is named is sent anew when nobody can say what became of it. */
  async #persist(errand: Errand, caller: Caller): Promise<StoreOperation> {
    for (let left = errand.request === undefined ? 0 : persistence; ; left--) {
      try {
        const answer = await carryOut(errand, caller, this.#manner(errand));
        const isRefused = answer.kind === "batch" && answer.result?.refused !== undefined;
        if (!isRefused || errand.request === undefined || left === persistence) return answer;
        // An attempt that is on its way still may fare better.
        throw new KvError("condition-failed", "the batch is refused now");
      } catch (error) {
        const { code } = KvError.from(error);
        const mayHaveBeen = code === "outcome-unknown" || code === "aborted";
        // What is said of the last attempt does not hold for those before.
        if (!mayHaveBeen && errand.request !== undefined && left < persistence) {
          throw new KvError("outcome-unknown", `an earlier attempt is open: ${code}`, { cause: error });
        }
        if (left === 0 || !mayHaveBeen) throw error;
        this.#process.log(`${describe(errand)}: is sent anew`);
      }
    }
  }

  #manner({ operation }: Errand) {
    const random = this.#random;
    const isHasty = random.chance(0.15);
    const isLarge = operation.kind === "put" && random.chance(this.#world.profile.largeValues);
    const limitMs = isHasty ? random.between(1, 1500) : deadlineMs;
    if (!random.chance(0.05)) return { isLarge, deadlineMs: limitMs };
    const controller = new AbortController();
    this.#process.clock.timer(random.between(0, 100), () => controller.abort(new Error("enough")));
    return { isLarge, deadlineMs: limitMs, signal: controller.signal };
  }

  /** Scans all groups; not before the ring is closed, since of which group a key is can change until then. */
  async #scan(): Promise<void> {
    const { history } = this.#cluster;
    const { invariants, profile } = this.#world;
    if (!invariants.isRingClosed) return;
    if (profile.changesRing) return await this.#scanMoving();
    const keysOf = new Map<string, string[]>();
    for (const key of profile.keys) {
      const group = this.#cluster.groupOf(key) ?? "";
      keysOf.set(group, [...(keysOf.get(group) ?? []), key]);
    }
    const known = await this.#knownGroups(keysOf);
    if (this.#moments.isBusy) return;
    const ids = [...keysOf].map(([group, keys]): [string, number] => [
      group,
      history.invoke(this.#number, { kind: "scan", keys, result: undefined }),
    ]);
    this.#process.log("scan");
    const deadline = this.#random.chance(0.1) ? this.#random.between(1, 1500) : deadlineMs;
    this.busy++;
    try {
      const found = await scanAll(this.#kv, this.#moments, keysOf, { deadlineMs: deadline });
      this.#end("scan", "scan", "ok", JSON.stringify([...found.values()]));
      const missing = ids.filter(([group, id]) => !this.#scanned(id, found.get(group) ?? []));
      for (const [group] of missing) {
        // The view of a router that merges may be older than the client's.
        if (!known.has(group) || this.#moments.routed !== undefined)
          count(this.#world, "scan without a new group");
        else invariants.violated(`a scan of client ${this.#number} has left group ${group} out`);
      }
    } catch (error) {
      for (const [, id] of ids) history.failed(id);
      this.#end("scan", "scan", "failed", KvError.from(error).message);
    } finally {
      this.busy--;
    }
  }

  /** Scans all groups while keys may change hands: of which group each key was is no matter. */
  async #scanMoving(): Promise<void> {
    const { history } = this.#cluster;
    const { profile, invariants } = this.#world;
    if (this.#moments.isBusy) return;
    const ids = profile.keys.map((key) =>
      history.invoke(this.#number, { kind: "get", key, result: undefined }),
    );
    this.#process.log("scan");
    const deadline = this.#random.chance(0.1) ? this.#random.between(1, 1500) : deadlineMs;
    this.busy++;
    try {
      const told = await scanMoving(this.#kv, this.#moments, profile.keys, { deadlineMs: deadline });
      this.#end("scan", "scan", "ok", JSON.stringify(told));
      for (const [index, operation] of told.entries()) {
        history.complete(ids[index] ?? -1, operation);
        learn(this.#known, operation);
      }
    } catch (error) {
      for (const id of ids) history.failed(id);
      if (error instanceof RangeError) invariants.violated(error.message);
      this.#end("scan", "scan", "failed", KvError.from(error).message);
    } finally {
      this.busy--;
    }
  }

  /** Takes down what a scan has told of a group. Returns whether there was anything. */
  #scanned(id: number, [first, ...others]: readonly StoreOperation[]): boolean {
    const { history } = this.#cluster;
    if (first === undefined) {
      history.failed(id);
      return false;
    }
    if (this.#moments.routed !== undefined) count(this.#world, "scan merged by a router");
    else if (others.length > 0) count(this.#world, "scan continued");
    history.complete(id, first, others);
    for (const operation of [first, ...others]) learn(this.#known, operation);
    return true;
  }

  /** Groups that the client's router has told it of. Only others may be missing in a scan that begins now. */
  async #knownGroups(keysOf: ReadonlyMap<string, readonly string[]>): Promise<Set<string>> {
    const places = [...keysOf.values()].map(([key = ""]) => this.#kv.locate(key).catch(() => undefined));
    return new Set((await Promise.all(places)).map((place) => place?.group ?? ""));
  }

  #end(kind: StoreOperation["kind"], shown: string, outcome: string, detail: string): void {
    count(this.#world, `call ${outcome}`);
    count(this.#world, `${kind} ${outcome}`);
    this.#process.log(`${shown}: ${outcome} ${detail}`);
  }
}

/** Whether an error says that nothing was done. */
function isNothingDone(code: KvError["code"]): boolean {
  switch (code) {
    case "outcome-unknown":
    case "aborted":
    case "closed":
    case "internal":
      return false;
    default:
      return true;
  }
}
