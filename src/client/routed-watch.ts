import type { WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import type { Cluster } from "./cluster.ts";
import { KvError } from "./errors.ts";
import type { WatchAnswer, WatchSettings, WatchSource } from "./merged-watch.ts";
import { type Positions, positionsOf, tokenOf } from "./positions.ts";
import { RendezvousQueue } from "./rendezvous-queue.ts";
import { resumed } from "./resumed.ts";
import { SplitBatch } from "./split-batch.ts";

/** Answers that are held before all groups have answered. If nobody reads them, another stream shows when all have. */
const earlyAnswersMax = 64;

/** A watch of all groups in one stream, merged by a router. It begins at once, and holds one answer once it is ready. */
export class RoutedWatch implements WatchSource {
  readonly #cluster: Cluster;
  readonly #settings: WatchSettings;
  readonly #answers = new RendezvousQueue<WatchAnswer>();
  readonly #ready = Promise.withResolvers<void>();
  /** Whether every group has answered. */
  #isComplete = false;
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
    const { from } = this.#settings;
    let told: Positions | undefined = from;
    const restart = () => {
      for (const batch of this.#batches.values()) batch.restart();
    };
    let early = 0;
    for await (const whole of this.#answersAfter(from && tokenOf(from), restart)) {
      const { group, complete, token } = whole;
      const positions = positionsOf(token);
      if (complete) this.#complete();
      const answer = { group, answer: this.#withoutDuplicates(whole), before: told ?? positions, positions };
      told = positions;
      const taken = this.#answers.put(answer);
      if (this.#isComplete) await taken;
      else if (++early < earlyAnswersMax) taken.catch(() => {});
      else {
        if (early === earlyAnswersMax) this.#lookAhead(token);
        await taken;
      }
    }
  }

  /** Finds out when all groups have answered, however far the reader is. What has come by then comes again. */
  #lookAhead(token: string): void {
    const look = async () => {
      for await (const { complete } of this.#answersAfter(token, () => {}))
        if (complete) return this.#complete();
    };
    look().catch((reason) => this.#settings.lifetime.end(KvError.from(reason)));
  }

  #complete(): void {
    this.#isComplete = true;
    this.#ready.resolve();
  }

  /** What the router tells after a token. When the stream breaks, it starts again after what has come. */
  async *#answersAfter(from: string | undefined, onStart: () => void): AsyncGenerator<WatchResponse> {
    const { scope, previous, firstAnswerMs, outageMs, lifetime } = this.#settings;
    let token = from;
    const answers = resumed(this.#cluster, {
      server: () => this.#cluster.routerLink(),
      open: (data, call) => {
        onStart();
        return data.watch({ scope, previous, ...(token !== undefined && { afterToken: token }) }, call);
      },
      endless: true,
      isWhole: ({ complete }) => complete,
      firstAnswerMs,
      answerMs: outageMs,
      lifetime,
    });
    for await (const whole of answers) {
      token = whole.token;
      yield whole;
    }
  }

  #withoutDuplicates(answer: WatchResponse): WatchResponse {
    const batch = this.#batches.get(answer.group) ?? new SplitBatch();
    this.#batches.set(answer.group, batch);
    return batch.withoutDuplicates(answer);
  }
}
