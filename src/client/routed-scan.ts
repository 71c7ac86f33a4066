import type { KeyValue } from "../../gen/kvlab/v1/data_pb.ts";
import type { Cluster } from "./cluster.ts";
import type { ScanSettings, ScanSource } from "./merged-scan.ts";
import { resumed } from "./resumed.ts";

/** A scan of all groups in one stream, merged by a router. */
export class RoutedScan implements ScanSource {
  readonly #cluster: Cluster;
  readonly #settings: ScanSettings;
  #token: string | undefined;

  constructor(cluster: Cluster, settings: ScanSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** After a break it continues after the last key that has come. */
  async *runs(): AsyncGenerator<readonly KeyValue[], void, void> {
    const { request, deadlineMs, lifetime } = this.#settings;
    let { after, limit } = request;
    const isLimited = limit > 0n;
    const answers = resumed(this.#cluster, {
      server: () => this.#cluster.routerLink(),
      open: (data, options) =>
        data.scan({ ...request, ...(after !== undefined && { after }), limit }, options),
      endless: false,
      firstAnswerMs: deadlineMs,
      answerMs: deadlineMs,
      lifetime,
    });
    for await (const { items, watchToken } of answers) {
      // That of the first snapshots: see `MergedScan`.
      this.#token ??= watchToken || undefined;
      after = items.at(-1)?.key ?? after;
      if (isLimited) limit -= BigInt(items.length);
      if (items.length > 0) yield items;
      if (isLimited && limit <= 0n) return;
    }
  }
}
