import type { KvClient, KvClientOptions } from "kvlab";

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
