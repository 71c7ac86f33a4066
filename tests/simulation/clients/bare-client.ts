import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  type BatchStep,
  type CallOptions,
  type DeleteOptions,
  KvEntry,
  KvError,
  type KvValue,
  type PutOptions,
} from "kvlab";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { classify } from "../../../src/client/error-classification.ts";
import { batchCall, deleteCall, putCall } from "../../../src/client/requests.ts";
import { fromOptional, fromWire } from "../../../src/client/values.ts";
import type { Network } from "../world/network.ts";
import type { SimProcess } from "../world/process.ts";
import type { Services } from "../world/services.ts";
import { transportTo } from "../world/transport.ts";
import type { Caller } from "./calls.ts";

/** Any program with the schema: it sends each call to a router once, and its writes have no names. */
export class BareClient implements Caller {
  readonly #process: SimProcess;
  readonly #network: Network<Services>;
  readonly #router: () => string;

  constructor(process: SimProcess, network: Network<Services>, router: () => string) {
    this.#process = process;
    this.#network = network;
    this.#router = router;
  }

  async get(key: string, options: CallOptions = {}): Promise<KvEntry | undefined> {
    const found = await this.#once(false, (data) => data.get({ key }, timed(options)));
    if (found === undefined) return undefined;
    const { value, revision, ttlLeftMs } = found;
    return new KvEntry(key, fromWire(value), Number(revision), fromOptional(ttlLeftMs));
  }

  async put(key: string, value: KvValue, options: PutOptions = {}) {
    const call = putCall({ ...options, put: key, value });
    if (call.case !== "put") throw new TypeError("a put is a put");
    return written(await this.#once(true, (data) => data.put(call.value, timed(options))));
  }

  async delete(key: string, options: DeleteOptions = {}) {
    const call = deleteCall({ ...options, delete: key });
    if (call.case !== "delete") throw new TypeError("a delete is a delete");
    const found = await this.#once(true, (data) => data.delete(call.value, timed(options)));
    return found && written(found);
  }

  async batch(steps: readonly BatchStep[], options: CallOptions = {}) {
    const call = batchCall(steps);
    if (call.case !== "batch") throw new TypeError("a batch is a batch");
    return written(await this.#once(true, (data) => data.batch(call.value, timed(options))));
  }

  /** Undefined when there is no such key. Errors: KvError. */
  async #once<T>(isWrite: boolean, call: (data: DataClient) => Promise<T>): Promise<T | undefined> {
    const transport = transportTo({
      process: this.#process,
      network: this.#network,
      address: this.#router(),
    });
    try {
      return await call(createClient(DataService, transport));
    } catch (reason) {
      const error = ConnectError.from(reason);
      if (error.code === Code.NotFound) return undefined;
      const found = classify(error);
      if (found.next === "give-up" && found.applied === "no") throw found.error;
      const isOpen = isWrite && "applied" in found && found.applied === "maybe";
      throw new KvError(isOpen ? "outcome-unknown" : "unavailable", error.message, { cause: error });
    }
  }
}

type DataClient = ReturnType<typeof createClient<typeof DataService>>;

function timed({ deadlineMs, signal }: CallOptions) {
  return {
    ...(deadlineMs !== undefined && { timeoutMs: Math.ceil(deadlineMs) }),
    ...(signal !== undefined && { signal }),
  };
}

function written(answer: { readonly revision: bigint } | undefined) {
  if (answer === undefined) throw new KvError("internal", "there is no such key, which was not asked");
  return { revision: Number(answer.revision) };
}
