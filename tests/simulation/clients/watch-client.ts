import { ConnectError } from "@connectrpc/connect";
import { HistoryLostSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { Position } from "../../../src/cluster/storage/model.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import { sleep } from "../../../src/common/clock.ts";
import { isLostRightly, problemWithStep } from "../checks/watch-check.ts";
import type { Cluster } from "../world/cluster.ts";
import { SimProcess } from "../world/process.ts";
import { Random } from "../world/random.ts";
import type { GroupServices } from "../world/services.ts";
import { count, type World } from "../world/world.ts";
import { withDeadline } from "./deadline.ts";
import type { OpenedWatch, ToldStep } from "./open-watches.ts";

/** Longest time for an answer; a step comes within a second, if there is one. */
const answerMs = 3000;

/** One client that watches a group through whoever is its primary, and looks at all that it is told. */
export class WatchClient {
  readonly group: string;
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #process: SimProcess;
  readonly #scope: WatchScope;
  readonly #previous: boolean;
  /** Between two questions, about: who is slow gets behind, and is told from the log. */
  #pauseMs: number;
  /** Everything up to here was told; undefined before the first watch, and when the history was lost. */
  #at: Position | undefined;
  #openSinceMs = Number.POSITIVE_INFINITY;

  constructor(cluster: Cluster, number: number) {
    const { world } = cluster;
    const { seed, scheduler, trace, profile } = world;
    const random = new Random(`${seed} watch ${number}`);
    this.#world = world;
    this.#cluster = cluster;
    this.#random = random;
    this.group = random.pick(profile.groups);
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
    this.#process.deliver(random.between(0, 5000), "watch", () => void this.#run());
  }

  /** Whether it has been told everything that is committed. */
  get isCurrent(): boolean {
    const at = this.#at?.seq;
    if (at === undefined) return false;
    const { committed } = this.#world.invariants.group(this.group);
    for (let seq = committed.length; seq > at; seq--) {
      if (committed[seq - 1]?.changes.some(({ key }) => includes(this.#scope, key))) return false;
    }
    return true;
  }

  get name(): string {
    return this.#process.name;
  }

  /** Since when the present watch has been open; infinite while none is. */
  get openSinceMs(): number {
    return this.#openSinceMs;
  }

  /** From now on it is not slow. */
  hurry(): void {
    this.#pauseMs = 0;
  }

  async #run(): Promise<never> {
    for (;;) {
      try {
        await this.#watch();
      } catch (error) {
        this.#openSinceMs = Number.POSITIVE_INFINITY;
        this.#failed(error);
      }
      await sleep(this.#process.clock, this.#random.between(10, 1000));
    }
  }

  /** Watches for as long as that goes well. */
  async #watch(): Promise<never> {
    const node = this.#cluster.likelyPrimary(this.group, this.#random);
    if (this.#at !== undefined && this.#random.chance(0.1)) await this.#tryForeign(node, this.#at);
    const { id, first } = await this.#open(node, this.#at);
    this.#openSinceMs = this.#world.scheduler.nowMs;
    // Of those that last for ever nobody would see how they go on.
    const untilMs = this.#process.clock.monotonicMs() + this.#random.between(500, 15_000);
    this.#take(first);
    while (this.#process.clock.monotonicMs() < untilMs) {
      if (this.#pauseMs > 0) await sleep(this.#process.clock, this.#pauseMs * this.#random.between(0, 2));
      const step = await this.#ask(node, `next of watch ${id}`, (services) => services.nextOf(id));
      if (step !== undefined) this.#take(step);
    }
    throw new Error("begins again");
  }

  async #open(node: string, after: Position | undefined): Promise<OpenedWatch> {
    const begun = this.#world.invariants.group(this.group).committed.length;
    const options = { scope: this.#scope, after, previous: this.#previous };
    const opened = await this.#ask(node, `watch after ${after?.seq ?? "now"}`, (services, signal) =>
      services.watch(options, signal),
    );
    const { at } = opened.first;
    if (after === undefined) {
      if (at.seq < begun) this.#violated(`begins at ${at.seq}, and ${begun} was committed already`);
      this.#at = at;
    } else if (at.seq !== after.seq)
      this.#violated(`begins at ${at.seq}, and was to begin after ${after.seq}`);
    count(this.#world, after === undefined ? "watch begun" : "watch resumed");
    return opened;
  }

  /** Where one has come to in another history is no place to go on from. */
  async #tryForeign(node: string, { epoch, seq }: Position): Promise<void> {
    try {
      await this.#ask(node, "watch after another history", (services, signal) =>
        services.watch({ scope: this.#scope, after: { epoch: epoch + 1000, seq }, previous: false }, signal),
      );
    } catch (error) {
      if (isHistoryLost(error)) return;
      throw error;
    }
    if (seq > 0) this.#violated(`goes on after ${epoch + 1000}.${seq}, which is not in its group's history`);
  }

  async #ask<T>(
    to: string,
    what: string,
    handle: (services: GroupServices, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { network } = this.#world;
    return await withDeadline(
      this.#process.clock,
      new AbortController().signal,
      (signal) =>
        network.call({
          from: this.#process,
          to,
          what,
          signal,
          handle: async ({ group }, given) => {
            if (group === undefined) throw new Error("this is no data node");
            return await handle(group, given);
          },
        }),
      answerMs,
    );
  }

  #take(step: ToldStep): void {
    const after = this.#at;
    if (after === undefined) return;
    const { committed } = this.#world.invariants.group(this.group);
    const problem = problemWithStep(committed, { scope: this.#scope, previous: this.#previous, after }, step);
    if (problem !== undefined) this.#violated(problem);
    this.#at = step.at;
    if (step.events.length > 0) {
      count(this.#world, "watch told");
      this.#process.log(`told of ${step.events.map(({ revision }) => revision).join(" ")}`);
    }
  }

  #failed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#process.log(message);
    if (!isHistoryLost(error)) return;
    count(this.#world, "watch history lost");
    const { committed, replicas } = this.#world.invariants.group(this.group);
    if (this.#at !== undefined && !isLostRightly(committed, replicas, this.#at)) {
      this.#violated(
        `is told that the history after ${this.#at.seq} is lost, and every node has it: ${message}`,
      );
    }
    this.#at = undefined;
  }

  #violated(what: string): void {
    const { invariants } = this.#world;
    const scope = JSON.stringify(this.#scope);
    invariants.violated(`the watch ${this.#process.name} of ${scope} of group ${this.group} ${what}`);
  }
}

function isHistoryLost(error: unknown): boolean {
  return error instanceof ConnectError && error.findDetails(HistoryLostSchema).length > 0;
}
