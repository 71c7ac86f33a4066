/** Assertions that run in a page, too. */

import { KvError, type KvErrorCode } from "kvlab";

export function equal(actual: unknown, expected: unknown, what = "value"): void {
  const [is, should] = [shown(actual), shown(expected)];
  if (is !== should) throw new Error(`the ${what} is ${is}; it should be ${should}`);
}

export function ok(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** The error with which `call` fails, which must have this code. */
export async function failure(
  call: Promise<unknown> | (() => Promise<unknown>),
  code: KvErrorCode,
): Promise<KvError> {
  const result = await (typeof call === "function" ? (async () => await call())() : call).then(
    (value) => `success: ${shown(value)}`,
    (reason: unknown) => reason,
  );
  if (!(result instanceof KvError))
    throw new Error(`the call ended in ${result}; it should fail with ${code}`);
  equal(result.code, code, `code of "${result.message}"`);
  return result;
}

export async function collect<T>(items: AsyncIterable<T>, count = Number.POSITIVE_INFINITY): Promise<T[]> {
  const collected: T[] = [];
  if (count === 0) return collected;
  for await (const item of items) if (collected.push(item) === count) break;
  return collected;
}

/** For comparing: what JSON has no word for is written so that it cannot be taken for anything else. */
function shown(value: unknown): string {
  const text = JSON.stringify(value, (_key, part) => {
    if (part === undefined) return "(undefined)";
    if (part instanceof Uint8Array) return `(bytes ${[...part.subarray(0, 32)]} of ${part.length})`;
    return typeof part === "bigint" ? `(bigint ${part})` : part;
  });
  return text ?? String(value);
}
