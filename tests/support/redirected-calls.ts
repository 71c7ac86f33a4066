import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema, WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import type { Transports } from "../../src/client/transport/http2.ts";

/** Before a call is made again that no address was given for. */
const pauseMs = 20;
const patienceMs = 30_000;

/** Unary calls as a program without the library makes them: only what the errors say tells it where to go. */
export class RedirectedCalls {
  readonly #transports: Transports;
  readonly #first: string;
  /** By key: where its calls were sent to last. */
  readonly #owners = new Map<string, string>();
  /** How often an error has named another address. */
  redirects = 0;

  /** `first`: any data node. */
  constructor(transports: Transports, first: string) {
    this.#transports = transports;
    this.#first = first;
  }

  async call<T>(key: string, make: (client: Client<typeof DataService>) => Promise<T>): Promise<T> {
    const dueMs = performance.now() + patienceMs;
    for (;;) {
      const address = this.#owners.get(key) ?? this.#first;
      try {
        return await make(createClient(DataService, this.#transports.transportTo(address)));
      } catch (thrown) {
        const error = ConnectError.from(thrown);
        const [moved] = error.findDetails(WrongNodeSchema);
        const isNotApplied = moved !== undefined || error.findDetails(NotAppliedSchema).length > 0;
        if (!isNotApplied || performance.now() > dueMs) throw error;
        if (moved !== undefined && moved.address !== "" && moved.address !== address) {
          this.redirects++;
          this.#owners.set(key, moved.address);
        } else {
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      }
    }
  }
}
