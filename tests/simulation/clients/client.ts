import type { RequestId } from "../../../src/cluster/kv/write-plan.ts";
import { sleep } from "../../../src/common/clock.ts";
import type { StoreOperation } from "../../checker/store-model.ts";
import type { Cluster } from "../world/cluster.ts";
import { SimProcess } from "../world/process.ts";
import { Random } from "../world/random.ts";
import { count, type World } from "../world/world.ts";
import { answerIn, attempt, isForgotten, isUnapplied } from "./client-call.ts";
import { withDeadline } from "./deadline.ts";
import { describe, type Errand, Errands, highestOf, keysOf, learn, writesForSure } from "./errands.ts";

/** Part of the answers to named requests that do not reach the one who asked. */
const answersMissed = 0.15;

/** Attempts at one request. */
const attemptsMax = 5;

/** What became of one attempt; `answer` is set when it was done or refused. */
interface Attempt {
  readonly kind: "done" | "refused" | "forgotten" | "unapplied" | "open";
  readonly answer?: StoreOperation;
  readonly why: string;
}

/** One client: makes a call to some router, waits for the answer, thinks, and so on. */
export class Client {
  /** While set, it makes no further calls. */
  isQuiet = false;
  readonly #number: number;
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #process: SimProcess;
  readonly #errands: Errands;
  readonly #known = { revisions: new Map<string, number>() };
  /** By group, the highest revision that was seen. */
  readonly #highest = new Map<string, number>();

  constructor(cluster: Cluster, number: number) {
    const { world } = cluster;
    this.#number = number;
    this.#world = world;
    this.#cluster = cluster;
    const { seed, scheduler, trace, profile } = world;
    this.#random = new Random(`${seed} client ${number}`);
    this.#process = new SimProcess(`c${number}`, 1, seed, scheduler, trace);
    this.#errands = new Errands(String(number), profile, this.#random, this.#known);
    this.#think();
  }

  #think(): void {
    const random = this.#random;
    const { thinkMs } = this.#world.profile;
    // Now and then, several calls at once.
    const delayMs = random.chance(0.2) ? 0 : thinkMs * random.between(0, 2);
    this.#process.deliver(delayMs, "think", () => {
      if (this.isQuiet) return this.#think();
      void this.#act(this.#errands.next()).then(() => this.#think());
    });
  }

  /** Makes a call that tells whether a key can be used. Resolves, when it is over, with whether it succeeded. */
  probe(kind: "get" | "put", key: string): Promise<boolean> {
    return this.#act(this.#errands.plain(kind, key));
  }

  /** Resolves with whether there was an answer. */
  async #act(errand: Errand): Promise<boolean> {
    const group = this.#groupOf(errand.operation);
    const { history } = this.#cluster;
    const operation = group === undefined ? errand.operation : this.#scanning(errand.operation, group);
    // Of which group a key is, and so what a scan must show, can change until the first write.
    const isSettled = this.#world.invariants.isRingClosed;
    if (operation.kind === "scan" && (!isSettled || operation.keys.length === 0)) return false;
    const id = history.invoke(this.#number, operation);
    const shown = `${describe(errand)}${errand.request === undefined ? "" : ` as ${errand.request}`}`;
    this.#process.log(shown);
    const afterRevision = this.#highest.get(group ?? "") ?? 0;
    const requestId = errand.request === undefined ? undefined : { id: errand.request, afterRevision };
    const { outcome, answer, why } = await this.#persist({ ...errand, operation }, requestId, group, shown);
    if (answer !== undefined) history.complete(id, answer);
    else if (outcome === "unknown") history.unknown(id);
    else history.failed(id);
    if (answer !== undefined) this.#note(answer, group);
    this.#end(operation.kind, shown, outcome, answer === undefined ? why : JSON.stringify(answer.result));
    return answer !== undefined;
  }

  /** Tries until the outcome is known, if the errand is named; and else once. */
  async #persist(
    errand: Errand,
    requestId: RequestId | undefined,
    group: string | undefined,
    shown: string,
  ): Promise<{ outcome: string; answer: StoreOperation | undefined; why: string }> {
    const random = this.#random;
    /** An answer that did not reach us, but the checks. */
    let missed: StoreOperation | undefined;
    let isUnsure = false;
    for (let attempts = 1; ; attempts++) {
      const { kind, answer, why } = await this.#try(errand, requestId, group);
      if (missed !== undefined) this.#compare(shown, missed, kind, answer);
      const mayRepeat = requestId !== undefined && attempts < attemptsMax;
      const isMissed = kind === "done" && mayRepeat && writesForSure(errand) && random.chance(answersMissed);
      // What is said of a later attempt does not hold for an earlier one, which may be under way still.
      if (kind === "done" && !isMissed) return { outcome: attempts > 1 ? "ok after all" : "ok", answer, why };
      if (kind === "refused" && !isUnsure) {
        return { outcome: errand.operation.kind === "batch" ? "refused" : "not found", answer, why };
      }
      if (isMissed) missed ??= answer;
      isUnsure ||= kind === "open" || isMissed;
      if (kind === "refused" || kind === "forgotten" || !mayRepeat || !isUnsure) {
        return { outcome: isUnsure ? "unknown" : "failed", answer: missed, why };
      }
      this.#process.log(`${shown}: tries again, since ${isMissed ? "the answer was missed" : why}`);
      await sleep(this.#process.clock, random.between(0, 800));
    }
  }

  /** Makes one attempt. */
  async #try(errand: Errand, requestId: RequestId | undefined, group: string | undefined): Promise<Attempt> {
    const { operation } = errand;
    try {
      return { kind: "done", answer: await this.#attempt(errand, requestId, group), why: "" };
    } catch (error) {
      const answer = answerIn(operation, error);
      const why = error instanceof Error ? error.message : String(error);
      if (isForgotten(error)) count(this.#world, "request forgotten");
      if (answer !== undefined) return { kind: "refused", answer, why };
      if (isForgotten(error)) return { kind: "forgotten", why };
      const isRead = operation.kind === "get" || operation.kind === "scan";
      return { kind: isRead || isUnapplied(error) ? "unapplied" : "open", why };
    }
  }

  /** A request that has had an answer has no other, but that it is forgotten. */
  #compare(
    shown: string,
    missed: StoreOperation,
    kind: Attempt["kind"],
    answer: StoreOperation | undefined,
  ): void {
    const [first, second] = [missed, answer].map((each) => JSON.stringify(each?.result));
    if ((kind !== "done" && kind !== "refused") || first === second) return;
    this.#world.invariants.violated(`${shown} was answered with ${first}, and then with ${second}`);
  }

  /** Errors: those of the call, or of the way. */
  #attempt(
    errand: Errand,
    requestId: RequestId | undefined,
    group: string | undefined,
  ): Promise<StoreOperation> {
    const random = this.#random;
    const { kind } = errand.operation;
    const isHasty = random.chance(requestId === undefined ? 0.1 : 0.25);
    const deadlineMs = isHasty ? random.between(requestId === undefined ? 50 : 1, 1500) : 10_000;
    const isLarge = kind === "put" && random.chance(this.#world.profile.largeValues);
    const isDirect = kind === "scan" && group !== undefined;
    const to = isDirect
      ? this.#cluster.likelyPrimary(group, random)
      : random.pick(this.#cluster.routers).name;
    return withDeadline(
      this.#process.clock,
      new AbortController().signal,
      (signal) =>
        this.#world.network.call({
          from: this.#process,
          to,
          what: describe(errand),
          signal,
          handle: (services, given) => attempt(errand, requestId, isLarge, services, given),
        }),
      deadlineMs,
    );
  }

  /** The group that an errand is of; of a scan, any. */
  #groupOf(operation: StoreOperation): string | undefined {
    if (operation.kind === "scan") return this.#random.pick(this.#world.profile.groups);
    const [key = ""] = keysOf(operation);
    return this.#cluster.groupOf(key);
  }

  #scanning(operation: StoreOperation, group: string): StoreOperation {
    if (operation.kind !== "scan") return operation;
    return {
      ...operation,
      keys: this.#world.profile.keys.filter((key) => this.#cluster.groupOf(key) === group),
    };
  }

  #note(done: StoreOperation, group: string | undefined): void {
    learn(this.#known, done);
    if (group === undefined) return;
    this.#highest.set(group, Math.max(this.#highest.get(group) ?? 0, highestOf(done)));
  }

  #end(kind: StoreOperation["kind"], shown: string, outcome: string, detail: string): void {
    count(this.#world, `call ${outcome}`);
    count(this.#world, `${kind} ${outcome}`);
    this.#process.log(`${shown}: ${outcome} ${detail}`);
  }
}
