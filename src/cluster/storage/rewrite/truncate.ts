import { isNoRoom } from "../../../common/no-room.ts";
import { loadLog } from "../load.ts";
import { findRecord } from "../read/values.ts";
import type { LogState } from "../state.ts";
import { keepCutOff } from "./cut-off-records.ts";
import { positionAt, Rewrite } from "./rewrite.ts";

/**
 * Drops records after `seq`, the last of which are on disk. A new file takes the place of the old one, since the
 * promise of an epoch usually stands in what is cut off, and must not be lost for a moment. To be called in the log's
 * lane. A failure is fatal, unless it is for want of room: then the log is as it was.
 */
export async function cutFile(state: LogState, seq: number): Promise<void> {
  const { base, identity, legacySeq, options, promisedEpoch, visibleSeq } = state;
  let rewrite: Rewrite | undefined;
  try {
    rewrite = await Rewrite.begin(state, {
      identity,
      horizon: positionAt(state, Math.max(base.seq, Math.min(seq, legacySeq))),
      keeps: () => true,
      check: () => {},
    });
    await rewrite.copySnapshot();
    await rewrite.copyTail(await findRecord(state, seq + 1));
    if (promisedEpoch > 0) await rewrite.addPromise(promisedEpoch);
    await rewrite.sync();
    const loaded = await loadLog(
      options.rbfile,
      rewrite.target,
      options.requestsMax,
      Math.min(seq, visibleSeq),
    );
    // Last, so that an attempt that finds no room leaves nothing beside.
    await keepCutOff(state, seq);
    await rewrite.replace(() => state.load(loaded));
  } catch (error) {
    if (!isNoRoom(error)) throw state.fail("cut", error);
    await rewrite?.abandon();
    throw state.noRoom("cut off its end", error);
  }
}

/** Drops records after `seq`, none of which is on disk. To be called in the log's lane. */
export function dropUnwritten(state: LogState, seq: number): void {
  state.recent.truncate(seq);
  state.epochs = state.epochs.filter(({ firstSeq }) => firstSeq <= seq);
  state.last = positionAt(state, seq);
  state.requests.truncate(seq);
  state.live.forgetNotes();
  for (let kept = state.visibleSeq + 1; kept <= seq; kept++) {
    const placed = state.recent.at(kept);
    if (placed !== undefined) state.live.note(placed.record);
  }
}
