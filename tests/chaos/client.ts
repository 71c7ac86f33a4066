import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { isNotApplied } from "../../src/client/error-classification.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import type { HistoryRecorder } from "../checker/history.ts";
import type { KeyOperation } from "../checker/key-value-model.ts";
import type { Random } from "../simulation/world/random.ts";
import type { ChaosServer } from "./cluster.ts";

export interface ChaosClientOptions {
  readonly number: number;
  readonly servers: readonly ChaosServer[];
  readonly keys: readonly string[];
  readonly history: HistoryRecorder<KeyOperation>;
  readonly random: Random;
  /** Told how each call has ended. */
  readonly onEnd: (outcome: "ok" | "failed" | "unknown") => void;
  /** Told of an error that no fault excuses. */
  readonly onSurprise: (what: string) => void;
}

/** Some wait for short, and give up; some for so long that what was paused under them goes on. */
const deadlinesMs = [
  [300, 1500],
  [1500, 4000],
  [8000, 15_000],
] as const;
const thinkMsMax = 30;
/** What a call may end with under faults. */
const excused = [
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.FailedPrecondition,
  Code.ResourceExhausted,
  Code.Unknown,
  Code.Canceled,
  Code.Aborted,
];

/** A client that makes one call after another until it is stopped. */
export class ChaosClient {
  readonly #options: ChaosClientOptions;
  readonly #transports = createTransports({ connectTimeoutMs: 500, pingIntervalMs: 2000 });
  /** Where the calls for a key were sent on to last. */
  readonly #owners = new Map<string, string>();
  readonly #done: Promise<void>;
  #isOver = false;
  #written = 0;

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** Lets the call under way end. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    this.#transports.close();
  }

  async #run(): Promise<void> {
    const { random, keys } = this.#options;
    while (!this.#isOver) {
      const key = random.pick(keys);
      const [from, to] = random.pick(deadlinesMs);
      await this.#call(this.#choose(key), this.#pickAddress(key), Math.round(random.between(from, to)));
      await new Promise((resolve) => setTimeout(resolve, random.between(0, thinkMsMax)));
    }
  }

  #choose(key: string): KeyOperation {
    const { random, number } = this.#options;
    const kind = random.pick(["get", "get", "get", "get", "put", "put", "put", "put", "delete"] as const);
    if (kind !== "put") return { kind, key, result: undefined };
    return { kind, key, value: `${number}-${++this.#written}`, result: undefined };
  }

  /** Routers, the primary and any node; straight or as the servers reach each other, which may be cut. */
  #pickAddress(key: string): string {
    const { random, servers } = this.#options;
    const owner = this.#owners.get(key);
    const server =
      owner !== undefined && random.chance(0.4)
        ? servers.find(({ front }) => front.address === owner)
        : undefined;
    const isRouter = random.chance(0.7);
    const { process, front } =
      server ?? random.pick(servers.filter(({ group }) => (group === undefined) === isRouter));
    return random.chance(0.5) ? process.address : front.address;
  }

  async #call(asked: KeyOperation, address: string, timeoutMs: number): Promise<void> {
    const { number, history, onEnd, onSurprise } = this.#options;
    const client = createClient(DataService, this.#transports.transportTo(address));
    const id = history.invoke(number, asked);
    try {
      history.complete(id, await ask(client, asked, timeoutMs));
      onEnd("ok");
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      if (!excused.includes(error.code))
        onSurprise(`${address}: ${asked.kind} ${asked.key}: ${error.message}`);
      const [moved] = error.findDetails(WrongNodeSchema);
      if (moved !== undefined) this.#owners.set(asked.key, moved.address);
      if (asked.kind === "get" || isNotApplied(error)) {
        history.failed(id);
        onEnd("failed");
      } else {
        history.unknown(id);
        onEnd("unknown");
      }
    }
  }
}

/** Makes the call. Returns it with its answer. */
export async function ask(
  client: Client<typeof DataService>,
  asked: KeyOperation,
  timeoutMs: number,
): Promise<KeyOperation> {
  const { key } = asked;
  try {
    switch (asked.kind) {
      case "get": {
        const { value, revision } = await client.get({ key }, { timeoutMs });
        if (value.case !== "text") throw new Error(`a text was put under ${key}, not ${value.case}`);
        return { ...asked, result: { value: value.value, revision: Number(revision) } };
      }
      case "put": {
        const value = { case: "text", value: asked.value } as const;
        const { revision } = await client.put({ key, value }, { timeoutMs });
        return { ...asked, result: { revision: Number(revision) } };
      }
      case "delete": {
        const { revision } = await client.delete({ key }, { timeoutMs });
        return { ...asked, result: { revision: Number(revision) } };
      }
    }
  } catch (error) {
    if (asked.kind === "put" || ConnectError.from(error).code !== Code.NotFound) throw error;
    return { ...asked, result: "not-found" };
  }
}
