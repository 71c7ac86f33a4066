import { commonSeq, holds } from "../format/history.ts";
import { findRecord } from "../read/read-records.ts";
import type { SnapshotHead } from "../replica-log.ts";
import type { LogState } from "../state.ts";
import { bytesMax, keepBeside } from "./cut-off.ts";

/** Keeps the records after `seq`, which are going to be cut off. */
export async function keepCutOff(state: LogState, seq: number): Promise<void> {
  await keepFrom(state, seq, "since the group has gone on without them");
}

/** Keeps what a snapshot is going to replace, as far as the snapshot does not have it. */
export async function keepReplaced(state: LogState, { base, epochs }: SnapshotHead): Promise<void> {
  const { damage, endBytes } = state.file;
  const { durable } = state.positions;
  const snapshot = { last: base, epochs };
  const common = commonSeq({ last: durable, epochs: state.positions.epochs }, snapshot);
  if (common < durable.seq) {
    return await keepFrom(
      state,
      common,
      "since a snapshot of the primary's log, which lacks them, replaces this one",
    );
  }
  if (damage === undefined) return;
  // The snapshot has what cannot be read, if it has what stands behind that. Little is kept all the same.
  if (holds(snapshot, damage.last) && endBytes - damage.offset > bytesMax) return;
  await keepPart(
    state,
    damage.offset,
    durable.seq,
    "since they are damaged, or stand behind damage, and a snapshot replaces this log",
  );
}

async function keepFrom(state: LogState, seq: number, why: string): Promise<void> {
  // What was compacted cannot be told apart any more: then the whole log is kept.
  const isApart = seq >= state.positions.base.seq && seq > 0;
  await keepPart(state, isApart ? await findRecord(state, seq + 1) : 0, seq, why);
}

async function keepPart(state: LogState, from: number, seq: number, why: string): Promise<void> {
  const { options, positions, file } = state;
  const after = from === 0 ? { epoch: 0, seq: 0 } : positions.at(seq);
  const part = {
    file: file.file,
    from,
    to: file.endBytes,
    after,
    epochs: positions.epochs,
    moves: positions.moves,
  };
  await keepBeside(options, part, why);
}
