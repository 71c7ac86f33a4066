/** What the client promises, whatever it runs on. Without anything that a browser lacks. */

import { basicCases } from "./contract/basics.ts";
import { batchCases } from "./contract/batches.ts";
import type { ContractCase } from "./contract/contract-case.ts";
import { endingCases } from "./contract/endings.ts";
import { mistakeCases } from "./contract/mistakes.ts";
import { scanCases } from "./contract/scans.ts";
import { watchCases } from "./contract/watches.ts";

export const contract: readonly ContractCase[] = [
  ...basicCases,
  ...batchCases,
  ...scanCases,
  ...watchCases,
  ...endingCases,
  ...mistakeCases,
];
