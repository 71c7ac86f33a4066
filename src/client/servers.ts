import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import type { Channel, ChannelLimits, DataClient } from "./channel/channel.ts";
import { openExchange } from "./channel/exchange.ts";
import { openPipe } from "./channel/pipe.ts";

/** A server that the client calls. */
export interface ServerLink {
  readonly address: string;
  readonly data: DataClient;
  readonly channel: Channel;
  /** Aborted when nothing more is to be expected of it. */
  readonly gone: AbortSignal;
}

export interface Servers {
  at(address: string): ServerLink;
  /**
   * Says that a primary is one no longer, or that a router was left. It has a moment to answer what it still can; then
   * its calls fail, since it may be paused or cut off. Calls from now on get a new link.
   */
  replaced(address: string): void;
  close(): void;
}

/** Time for a replaced server to answer the calls that it has already: a primary can refuse most by itself. */
const replacedGraceMs = 1_000;

/** Links to keep. The one not used for longest is ended when there are more. */
const linksMax = 256;

export function createServers(
  transportTo: (address: string) => Transport,
  fullDuplex: boolean,
  limits: ChannelLimits,
): Servers {
  const links = new Map<string, ServerLink & { end(why: string): void }>();

  function open(address: string) {
    const data = createClient(DataService, transportTo(address));
    const channel = fullDuplex ? openPipe(data, limits) : openExchange(data);
    const ending = new AbortController();
    return {
      address,
      data,
      channel,
      gone: ending.signal,
      end(why: string) {
        const reason = new ConnectError(`${address}: ${why}`, Code.Unavailable);
        channel.close(reason);
        ending.abort(reason);
      },
    };
  }

  return {
    at(address) {
      const link = links.get(address) ?? open(address);
      // A Map keeps the order of insertion.
      links.delete(address);
      links.set(address, link);
      for (const [oldest, { end }] of links) {
        if (links.size <= linksMax) break;
        links.delete(oldest);
        end("too many servers at once");
      }
      return link;
    },
    replaced(address) {
      const link = links.get(address);
      if (link === undefined) return;
      links.delete(address);
      setTimeout(
        () => link.end("another server has taken its place, and it has not answered"),
        replacedGraceMs,
      );
    },
    close() {
      for (const { end } of links.values()) end("the client is closed");
      links.clear();
    },
  };
}
