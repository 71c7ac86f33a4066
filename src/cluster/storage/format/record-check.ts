import type { Change, LogRecord, MoveMark } from "../model.ts";
import { isRequestId } from "./commit-line.ts";
import { formatName } from "./names.ts";
import { encodedBytesMax, recordBytesMax } from "./record.ts";

/** A group's name, percent-encoded: so a commit line stays below the longest that a reader takes. */
const groupBytesMax = 1024;

/** Checks that a record can be read back once it is written. Errors: RangeError. */
export function checkRecord(record: LogRecord): void {
  const { changes, requestId, seq, move } = record;
  if (requestId !== undefined && !isRequestId(requestId)) {
    throw new RangeError(
      `request id ${JSON.stringify(requestId)}; allowed are 1 to 64 letters, digits, "-" and "_"`,
    );
  }
  if (move !== undefined) checkMove(record, move);
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
  checkNumber("previous", previous);
  checkNumber("expiresMs", expiresMs);
}

function checkMove({ seq, changes, requestId }: LogRecord, move: MoveMark): void {
  const isWithoutAll = changes.length === 0 && requestId === undefined;
  switch (move.kind) {
    case "copy":
      checkNumber("revision", move.revision, 1);
      if (isWithoutAll) throw new RangeError(`record ${seq}, a copy, has neither changes nor a request`);
      return;
    case "forget":
      if (requestId === undefined && changes.length > 0 && changes.every(({ kind }) => kind === "delete"))
        return;
      throw new RangeError(`record ${seq} is to forget keys; allowed are deletes, and no request`);
    case "release":
      checkNumber("change", move.change, 1);
      checkGroup(move.to);
      break;
    case "accept": {
      const { change, from, revision, ahead, requestsAfter } = move;
      checkNumber("change", change, 1);
      for (const [name, number] of Object.entries({ revision, ahead, requestsAfter }))
        checkNumber(name, number);
      checkGroup(from);
      if (seq + ahead <= revision || requestsAfter > revision || !Number.isSafeInteger(seq + ahead)) {
        throw new RangeError(
          `record ${seq} accepts revisions up to ${revision} with ahead ${ahead} and requestsAfter ${requestsAfter}; ` +
            "seq + ahead must be above the revision, and requestsAfter must not",
        );
      }
    }
  }
  if (!isWithoutAll) throw new RangeError(`record ${seq}, of kind ${move.kind}, has changes or a request`);
}

function checkGroup(name: string): void {
  const isFitting = name !== "" && name.isWellFormed() && formatName(name).length <= groupBytesMax;
  if (!isFitting)
    throw new RangeError(`group ${JSON.stringify(name)}; allowed are up to ${groupBytesMax} bytes`);
}

function checkNumber(name: string, value: number, min = 0): void {
  if (Number.isSafeInteger(value) && value >= min) return;
  throw new RangeError(`${name} ${value}; allowed are whole numbers from ${min} on`);
}
