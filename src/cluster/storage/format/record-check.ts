import type { Change, LogRecord } from "../model.ts";
import { isRequestId } from "./commit-line.ts";
import { encodedBytesMax, recordBytesMax } from "./record.ts";

/** Checks that a record can be read back once it is written. Errors: RangeError. */
export function checkRecord(record: LogRecord): void {
  const { changes, requestId, seq } = record;
  if (requestId !== undefined && !isRequestId(requestId)) {
    throw new RangeError(
      `request id ${JSON.stringify(requestId)}; allowed are 1 to 64 letters, digits, "-" and "_"`,
    );
  }
  for (const change of changes) checkChange(change);
  if (changes.length > 1 && new Set(changes.map(({ key }) => key)).size < changes.length) {
    throw new RangeError(`record ${seq} changes a key twice; allowed is once`);
  }
  const bytes = encodedBytesMax(record);
  if (bytes > recordBytesMax) {
    throw new RangeError(`record ${seq} takes up to ${bytes} bytes; allowed are ${recordBytesMax}`);
  }
}

function checkChange({ key, previous, expiresMs = 0 }: Change): void {
  if (!key.isWellFormed()) throw new RangeError(`key ${JSON.stringify(key)} has no UTF-8 form`);
  for (const [name, value] of [
    ["previous", previous],
    ["expiresMs", expiresMs],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new RangeError(`${name} ${value}; allowed are whole numbers from 0 on`);
  }
}
