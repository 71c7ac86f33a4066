import type { WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import type { Cluster } from "./cluster.ts";
import { KvError } from "./errors.ts";
import type { WatchAnswer, WatchSettings, WatchSource } from "./merged-watch.ts";
import { type Positions, positionsOf, tokenOf } from "./positions.ts";
import { RendezvousQueue } from "./rendezvous-queue.ts";
import { resumed } from "./resumed.ts";
import { SplitBatch } from "./split-batch.ts";

/** Answers that are held before all groups have answered: whether they have is known although nobody reads the watch. */
const earlyAnswersMax = 64;

/** A watch of all groups in one stream, merged by a router. It begins at once, and holds one answer once it is ready. */
export class RoutedWatch implements WatchSource {
  readonly #cluster: Cluster;
  readonly #settings: WatchSettings;
  readonly #answers = new RendezvousQueue<WatchAnswer>();
  readonly #ready = Promise.withResolvers<void>();
  /** By group. */
  readonly #batches = new Map<string, SplitBatch>();

  constructor(cluster: Cluster, settings: WatchSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#ready.promise.catch(() => {});
    settings.lifetime.onEnd((reason) => {
      this.#ready.reject(reason);
      this.#answers.fail(reason);
    });
    this.#follow().catch((reason) => settings.lifetime.end(KvError.from(reason)));
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  take(): Promise<WatchAnswer> {
    return this.#answers.take();
  }

  async #follow(): Promise<void> {
    const { scope, previous, from, firstAnswerMs, outageMs, lifetime } = this.#settings;
    let token = from && tokenOf(from);
    let told: Positions | undefined = from;
    const answers = resumed(this.#cluster, {
      server: () => this.#cluster.routerLink(),
      open: (data, call) => {
        for (const batch of this.#batches.values()) batch.restart();
        return data.watch({ scope, previous, ...(token !== undefined && { afterToken: token }) }, call);
      },
      endless: true,
      isWhole: ({ complete }) => complete,
      firstAnswerMs,
      answerMs: outageMs,
      lifetime,
    });
    let early = 0;
    for await (const whole of answers) {
      const { group, complete } = whole;
      token = whole.token;
      const positions = positionsOf(token);
      if (complete) this.#ready.resolve();
      const answer = { group, answer: this.#withoutDuplicates(whole), before: told ?? positions, positions };
      told = positions;
      const taken = this.#answers.put(answer);
      if (complete || ++early >= earlyAnswersMax) await taken;
      else taken.catch(() => {});
    }
  }

  #withoutDuplicates(answer: WatchResponse): WatchResponse {
    const batch = this.#batches.get(answer.group) ?? new SplitBatch();
    this.#batches.set(answer.group, batch);
    return batch.withoutDuplicates(answer);
  }
}
