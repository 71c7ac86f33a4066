import assert from "node:assert/strict";
import { type Client, ConnectError } from "@connectrpc/connect";
import type { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { until } from "./until.ts";

/** Writers that put rising numbers, each to a key of its own, one after another until they are told to end. */
export interface SteadyWrites {
  /** The last number acknowledged of each key. */
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Of puts that were not acknowledged. */
  readonly errors: readonly ConnectError[];
  end(): Promise<void>;
}

export interface SteadyWriteOptions {
  readonly timeoutMs?: number;
  /** Where each put goes. */
  readonly client: () => Client<typeof DataService>;
}

export function writeSteadily(keys: readonly string[], options: SteadyWriteOptions): SteadyWrites {
  const { timeoutMs = 20_000 } = options;
  const acknowledged = new Map<string, number>();
  const errors: ConnectError[] = [];
  let over = false;
  const write = async (key: string) => {
    for (let number = 1; !over; number++) {
      try {
        await options.client().put({ key, value: { case: "text", value: `${number}` } }, { timeoutMs });
        acknowledged.set(key, number);
      } catch (error) {
        errors.push(ConnectError.from(error));
      }
      // Without it the writers alone would keep every core busy for as long as a test waits for something else.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const written = Promise.all(keys.map(write));
  return {
    acknowledged,
    errors,
    async end() {
      over = true;
      await written;
    },
  };
}

/** Until every key has been written once more. */
export async function written(
  { acknowledged }: Pick<SteadyWrites, "acknowledged">,
  keys: readonly string[],
): Promise<void> {
  const before = new Map(acknowledged);
  await until("all keys are written", 30_000, () =>
    keys.every((key) => (acknowledged.get(key) ?? 0) > (before.get(key) ?? 0)),
  );
}

/** Whether every key has what was acknowledged last, or one of the numbers after it, whose outcome is unknown. */
export async function assertKept(
  client: Client<typeof DataService>,
  { acknowledged }: Pick<SteadyWrites, "acknowledged">,
): Promise<void> {
  assert.ok(acknowledged.size > 0, "something was acknowledged");
  for (const [key, number] of acknowledged) {
    const { value } = await client.get({ key }, { timeoutMs: 20_000 });
    const found = value.case === "text" ? Number(value.value) : Number.NaN;
    assert.ok(found >= number, `${key} has ${found}, and ${number} was acknowledged`);
  }
}
