import { LogStoreError } from "../errors.ts";
import { readTokens, smallChunkBytes, wholeFile } from "../format/log-reader.ts";
import { contentBytes, toLogRecord } from "../format/record.ts";
import { RecordOrder } from "../format/record-order.ts";
import type { Token } from "../format/token.ts";
import type { LogRecord } from "../model.ts";
import type { SnapshotReader } from "../replica-log.ts";
import type { LogState } from "../state.ts";

/** A reader of the live records up to what is on disk now. `onClose` is called once. */
export function readSnapshot(state: LogState, onClose: () => void): SnapshotReader {
  // Whatever the log does from now on, this file stays as it is, but for what is added after `endBytes`.
  const { file, durable, epochs, endBytes, live } = state;
  const requestsAfter = Math.min(state.requests.after, durable.seq);
  const horizon = { seq: state.visibleSeq };
  state.horizons.add(horizon);
  file.use();
  const order = new RecordOrder();
  const chunks = readTokens(file.file, { ...wholeFile(endBytes), chunkBytes: smallChunkBytes });
  let tokens: Token[] = [];
  let tokensTaken = 0;
  let isClosed = false;

  const take = (token: Token): LogRecord | undefined => {
    const problem = token.kind === "bad" ? token.reason : order.take(token);
    if (problem !== undefined) {
      throw new LogStoreError(
        "damaged",
        `line ${token.line} of ${state.options.dbfile} has become bad: ${problem}`,
      );
    }
    if (token.kind !== "record") return undefined;
    const { last } = order;
    const { record, window } = token;
    // What is not visible yet may change any key.
    const kept = record.changes.filter(
      ({ key }) => last.seq > horizon.seq || live.mayBeLive(key, last.seq, horizon.seq),
    );
    const isRemembered = record.requestId !== undefined && last.seq > requestsAfter;
    return kept.length > 0 || isRemembered ? toLogRecord(window, record, last, kept) : undefined;
  };

  return {
    base: durable,
    requestsAfter,
    epochs: epochs.filter(({ firstSeq }) => firstSeq <= durable.seq),

    async next(maxBytes) {
      const records: LogRecord[] = [];
      let bytes = 0;
      for (;;) {
        if (isClosed) throw new LogStoreError("closed", "the reader of the copy is closed");
        while (tokensTaken < tokens.length) {
          const token = tokens[tokensTaken++];
          const record = token === undefined ? undefined : take(token);
          if (record === undefined) continue;
          records.push(record);
          bytes += contentBytes(record);
          if (bytes >= maxBytes) return records;
        }
        const { value, done } = await chunks.next();
        if (done) return records;
        tokens = value;
        tokensTaken = 0;
      }
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      state.horizons.delete(horizon);
      onClose();
      await file.release();
    },
  };
}
