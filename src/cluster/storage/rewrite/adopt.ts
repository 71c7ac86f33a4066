import type { Turn } from "../../../common/serial-queue.ts";
import { LogFileError } from "../errors.ts";
import { formatControlLine } from "../format/control-line.ts";
import { loadLog } from "../load.ts";
import { LogFile } from "../log-file.ts";
import type { LogIdentity, LogOwner } from "../model.ts";
import type { LogState } from "../state.ts";
import { WriteBuffer } from "../write/write-buffer.ts";
import { nameForDamaged } from "./damaged-name.ts";
import { headerOfDraft, replaceLog } from "./draft.ts";
import { Rewrite } from "./rewrite.ts";

/** What the header of an adopted log says. */
interface NewHeader {
  readonly identity: LogIdentity;
  readonly life: bigint | undefined;
}

/**
 * Gives the log a header that names its owner: see `LogStore.adopt`. Records of the original program become a snapshot
 * part of our own form.
 */
export async function adoptLog(state: LogState, turn: Turn, owner: LogOwner): Promise<void> {
  const { options, file, keys, positions, health } = state;
  const { identity, isCopy, legacySeq } = file;
  if (identity !== undefined && !isCopy) checkOwner(state, identity, owner);
  const storeId = isCopy ? undefined : identity?.storeId;
  // The lives that a copy knows are those of the log that it was copied from.
  const life = isCopy ? undefined : file.life;
  const header = { identity: { ...identity, ...owner, storeId: storeId ?? newStoreId(state) }, life };
  if (file.hasLostHeader || (isCopy && health.isDamaged)) return await beginAnew(state, turn, header);
  const horizon = positions.at(Math.max(positions.base.seq, legacySeq));
  const rewrite = await Rewrite.begin(state, {
    header,
    horizon,
    keeps: (key, seq) => keys.mayBeLive(key, seq, horizon.seq),
  });
  try {
    await rewrite.copySnapshot();
    await rewrite.copyTail(file.endBytes);
    await rewrite.sync();
  } catch (error) {
    await rewrite.abandon();
    throw LogFileError.from(options.rbfile, "write it", error);
  }
  await rewrite.replace(turn);
}

/** A log of an earlier version names no cluster. */
function checkOwner({ options }: LogState, { group, number, cluster }: LogIdentity, owner: LogOwner): void {
  if (cluster === undefined && group === owner.group && number === owner.number) return;
  throw new Error(`${options.dbfile} belongs to node ${number} of group "${group}" already`);
}

/**
 * Nobody can say whose log this was, or how much of it is missing: it is kept beside, and the node is like one whose
 * disk was wiped, but for what it has promised.
 */
async function beginAnew(state: LogState, turn: Turn, header: NewHeader): Promise<void> {
  const { disk, dbfile, rbfile, requestsMax, log } = state.options;
  const { promisedEpoch } = state.positions;
  const keptIn = await nameForDamaged(disk, dbfile);
  const target = await disk.open(rbfile, "create", dbfile);
  try {
    const buffer = new WriteBuffer(target);
    buffer.addLine(await headerOfDraft(state, { ...header, snapshot: false }));
    if (promisedEpoch > 0) buffer.addLine(formatControlLine({ kind: "promise", epoch: promisedEpoch }));
    await buffer.flush();
    await target.datasync();
  } catch (error) {
    await target.close();
    await disk.remove(rbfile);
    throw LogFileError.from(rbfile, "write it", error);
  }
  const problem = state.file.hasLostHeader ? "had lost its header" : "was a damaged copy";
  const loaded = await loadLog(rbfile, target, requestsMax);
  try {
    await disk.rename(dbfile, keptIn);
  } catch (error) {
    throw state.health.fail("keep the damaged", error);
  }
  const file = new LogFile(target, { ...loaded.facts, isCopy: false });
  await replaceLog(state, () => state.replaced(turn, file, loaded));
  log(`${dbfile} ${problem}: it is kept as ${keptIn}, and a new, empty log has begun`);
}

/** 64 random bits: two logs of one node must never be taken for the same. */
function newStoreId({ options }: LogState): string {
  const word = () => Math.floor(options.clock.random() * 2 ** 32);
  return [word(), word()].map((value) => value.toString(16).padStart(8, "0")).join("");
}
