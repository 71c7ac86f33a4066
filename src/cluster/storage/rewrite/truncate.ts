import { isNoRoom } from "../../../common/no-room.ts";
import type { Turn } from "../../../common/serial-queue.ts";
import { loadLog } from "../load.ts";
import { LogFile } from "../log-file.ts";
import { findRecord } from "../read/read-records.ts";
import type { LogState } from "../state.ts";
import { keepCutOff } from "./cut-off-records.ts";
import { replaceLog } from "./draft.ts";
import { Rewrite } from "./rewrite.ts";

/**
 * Drops records after `seq`, the last of which are on disk. A new file takes the place of the old one, since the
 * promise of an epoch usually stands in what is cut off, and must not be lost for a moment. A failure is fatal, unless
 * it is for want of room: then the log is as it was.
 */
export async function truncateFile(state: LogState, turn: Turn, seq: number): Promise<void> {
  const { file, options, positions } = state;
  const { base, visible, promisedEpoch } = positions;
  let rewrite: Rewrite | undefined;
  try {
    rewrite = await Rewrite.begin(state, {
      horizon: positions.at(Math.max(base.seq, Math.min(seq, file.legacySeq))),
      keeps: () => true,
    });
    await rewrite.copySnapshot();
    await rewrite.copyTail(await findRecord(state, seq + 1));
    if (promisedEpoch > 0) await rewrite.addPromise(promisedEpoch);
    await rewrite.sync();
    const { target } = rewrite;
    const loaded = await loadLog(options.rbfile, target, options.requestsMax, Math.min(seq, visible.seq));
    // Last, so that an attempt that finds no room leaves nothing beside.
    await keepCutOff(state, seq);
    const next = new LogFile(target, { ...loaded.facts, isCopy: false });
    await replaceLog(state, () => state.truncated(turn, next, loaded));
  } catch (error) {
    if (!isNoRoom(error)) throw state.health.fail("cut", error);
    await rewrite?.abandon();
    throw state.health.noRoom("cut off its end", error);
  }
}
