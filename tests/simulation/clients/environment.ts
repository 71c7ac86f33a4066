import type { Environment } from "../../../src/client/environment.ts";
import { duplexOver } from "../../support/duplex-over.ts";
import type { Network } from "../world/network.ts";
import type { SimProcess } from "../world/process.ts";
import type { Services } from "../world/services.ts";
import { type StreamTap, transportTo } from "../world/transport.ts";

export interface EnvironmentOptions {
  readonly process: SimProcess;
  readonly network: Network<Services>;
  /** Whether calls can stream in both directions: not in browsers. */
  readonly fullDuplex: boolean;
  readonly tap?: StreamTap;
}

/** The simulated world as a client sees it. */
export function environmentOf({ process, network, fullDuplex, tap }: EnvironmentOptions): Environment {
  const { clock } = process;
  return {
    clock,
    randomBytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(clock.random() * 256)),
    direct: fullDuplex,
    connect: () => {
      const to = (address: string) => transportTo({ process, network, address, tap });
      return {
        transportTo: to,
        duplexTo: fullDuplex ? (address) => duplexOver(to(address)) : undefined,
        close() {},
      };
    },
  };
}
