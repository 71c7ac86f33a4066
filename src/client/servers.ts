import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import type { Clock } from "../common/clock.ts";
import type { Channel, ChannelLimits, DataClient } from "./channel/channel.ts";
import { Exchange } from "./channel/exchange.ts";
import { Pipe } from "./channel/pipe.ts";
import { Singles } from "./channel/singles.ts";
import type { Connections } from "./environment.ts";

/** How long a replaced server may take to answer the calls that it has. A primary refuses most of them by itself. */
const replacedGraceMs = 1_000;

/**
 * Maximum number of links. Beyond it, the least recently used link ends. Far more than groups of any cluster, so this only
 * concerns addresses that are made up.
 */
const linksMax = 4_096;

export interface ServersOptions {
  readonly connections: Connections;
  readonly limits: ChannelLimits;
  readonly clock: Clock;
}

/** The link to one server. */
export class ServerLink {
  readonly address: string;
  readonly data: DataClient;
  readonly channel: Channel;
  readonly #ending = new AbortController();

  constructor(address: string, { connections, limits, clock }: ServersOptions) {
    this.address = address;
    this.data = createClient(DataService, connections.transportTo(address));
    const singles = new Singles(this.data);
    const open = connections.duplexTo?.(address);
    this.channel =
      open === undefined ? new Exchange(this.data, singles) : new Pipe({ open, singles, limits, clock });
  }

  /** Aborted when no more answers can be expected from the server. */
  get gone(): AbortSignal {
    return this.#ending.signal;
  }

  /** Fails the calls in flight. */
  end(why: string): void {
    const reason = new ConnectError(`${this.address}: ${why}`, Code.Unavailable);
    this.channel.close(reason);
    this.#ending.abort(reason);
  }
}

/** The servers that a client calls. */
export class Servers {
  readonly #options: ServersOptions;
  /** In order of last use. */
  readonly #links = new Map<string, ServerLink>();
  /** The one that was used last: most calls go where the last one went. */
  #last: ServerLink | undefined;

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  at(address: string): ServerLink {
    if (this.#last?.address === address) return this.#last;
    const link = this.#links.get(address) ?? new ServerLink(address, this.#options);
    // A Map keeps the order of insertion.
    this.#links.delete(address);
    this.#links.set(address, link);
    for (const [oldest, other] of this.#links) {
      if (this.#links.size <= linksMax) break;
      this.#links.delete(oldest);
      other.end("too many servers at once");
    }
    this.#last = link;
    return link;
  }

  /**
   * Notes that a primary was replaced, or that the client has moved to another router. The server gets a moment to answer
   * its calls. Then they fail, because it may be paused or cut off. New calls get a new link.
   */
  replaced(address: string): void {
    const link = this.#links.get(address);
    if (link === undefined) return;
    this.#links.delete(address);
    if (this.#last === link) this.#last = undefined;
    this.#options.clock.timer(replacedGraceMs, () =>
      link.end("another server has taken its place, and it has not answered"),
    );
  }

  close(): void {
    for (const link of this.#links.values()) link.end("the client is closed");
    this.#links.clear();
    this.#last = undefined;
  }
}
