/** What the client promises, whatever it runs on. Without anything that a browser lacks. */

import type { KvClient, KvClientOptions } from "kvlab";
import { basicCases } from "./contract/basics.ts";
import { batchCases } from "./contract/batches.ts";
import { endingCases } from "./contract/endings.ts";
import { mistakeCases } from "./contract/mistakes.ts";
import { scanCases } from "./contract/scans.ts";
import { watchCases } from "./contract/watches.ts";

export interface ContractEnvironment {
  /** Begins the keys of this case, and of no other. */
  readonly prefix: string;
  /** Another client of the same cluster; the caller closes it. */
  open(options?: Partial<KvClientOptions>): KvClient;
}

export interface ContractCase {
  /** What is promised. */
  readonly title: string;
  /** Throws when the promise is broken. */
  run(kv: KvClient, environment: ContractEnvironment): Promise<void>;
}

export const contract: readonly ContractCase[] = [
  ...basicCases,
  ...batchCases,
  ...scanCases,
  ...watchCases,
  ...endingCases,
  ...mistakeCases,
];
