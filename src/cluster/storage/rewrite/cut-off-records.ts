import { commonSeq, holds } from "../format/history.ts";
import { findRecord } from "../read/values.ts";
import type { SnapshotHead } from "../replica-log.ts";
import type { LogState } from "../state.ts";
import { bytesMax, keepBeside } from "./cut-off.ts";
import { positionAt } from "./rewrite.ts";

/** Keeps the records after `seq`, which are going to be cut off. To be called in the log's lane. */
export async function keepCutOff(state: LogState, seq: number): Promise<void> {
  await keepFrom(state, seq, "since the group has gone on without them");
}

/** Keeps what a copy is going to replace, as far as the copy does not have it. To be called in the log's lane. */
export async function keepReplaced(state: LogState, { base, epochs }: SnapshotHead): Promise<void> {
  const { damage, durable, endBytes } = state;
  const copy = { last: base, epochs };
  const common = commonSeq({ last: durable, epochs: state.epochs }, copy);
  if (common < durable.seq) {
    return await keepFrom(
      state,
      common,
      "since a copy of the primary's log, which lacks them, replaces this one",
    );
  }
  if (damage === undefined) return;
  // What cannot be read, the copy has, if it has what stands behind that. Little is kept all the same.
  if (holds(copy, damage.last) && endBytes - damage.offset > bytesMax) return;
  await keepPart(
    state,
    damage.offset,
    durable.seq,
    "since they are damaged, or stand behind damage, and a copy replaces this log",
  );
}

async function keepFrom(state: LogState, seq: number, why: string): Promise<void> {
  // What was compacted cannot be told apart any more: then the whole log is kept.
  const isApart = seq >= state.base.seq && seq > 0;
  await keepPart(state, isApart ? await findRecord(state, seq + 1) : 0, seq, why);
}

async function keepPart(state: LogState, from: number, seq: number, why: string): Promise<void> {
  const { options, epochs, endBytes: to, file } = state;
  const after = from === 0 ? { epoch: 0, seq: 0 } : positionAt(state, seq);
  await keepBeside(options, { file: file.file, from, to, after, epochs }, why);
}
