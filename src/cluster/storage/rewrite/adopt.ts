import { LogFileError } from "../errors.ts";
import { formatControlLine } from "../format/control-line.ts";
import { loadLog } from "../load.ts";
import type { LogIdentity, LogOwner } from "../model.ts";
import type { LogState } from "../state.ts";
import { WriteBuffer } from "../write/write-buffer.ts";
import { nameForDamaged } from "./damaged-name.ts";
import { headerOfDraft, positionAt, Rewrite, replaceLog } from "./rewrite.ts";

/**
 * Gives the log a header that names its owner: see `LogStore.adopt`. Records of the original program become a snapshot
 * part of our own form. To be called in the log's lane.
 */
export async function adoptLog(state: LogState, owner: LogOwner): Promise<void> {
  const { options, identity, base, legacySeq, live, isCopy } = state;
  if (identity !== undefined && !isCopy) checkOwner(state, identity, owner);
  const storeId = isCopy ? undefined : identity?.storeId;
  const next = { ...identity, ...owner, storeId: storeId ?? newStoreId(state) };
  // The lives are those of the original.
  if (isCopy) state.life = undefined;
  if (state.hasLostHeader || (isCopy && state.condition.kind === "damaged"))
    return await beginAnew(state, next);
  const horizon = positionAt(state, Math.max(base.seq, legacySeq));
  const rewrite = await Rewrite.begin(state, {
    identity: next,
    horizon,
    keeps: (key, seq) => live.mayBeLive(key, seq, horizon.seq),
    check: () => {},
  });
  try {
    await rewrite.copySnapshot();
    await rewrite.copyTail(state.endBytes);
    await rewrite.sync();
  } catch (error) {
    await rewrite.abandon();
    throw LogFileError.from(options.rbfile, "write it", error);
  }
  await rewrite.replace(() => rewrite.relocate());
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
async function beginAnew(state: LogState, identity: LogIdentity): Promise<void> {
  const { promisedEpoch, options } = state;
  const { disk, dbfile, rbfile, requestsMax, log } = options;
  const keptIn = await nameForDamaged(disk, dbfile);
  const file = await disk.open(rbfile, "create");
  try {
    const buffer = new WriteBuffer(file, 0);
    buffer.addLine(await headerOfDraft(state, identity, false));
    if (promisedEpoch > 0) buffer.addLine(formatControlLine({ kind: "promise", epoch: promisedEpoch }));
    await buffer.flush();
    await file.datasync();
  } catch (error) {
    await file.close();
    await disk.remove(rbfile);
    throw LogFileError.from(rbfile, "write it", error);
  }
  const problem = state.hasLostHeader ? "had lost its header" : "was a damaged copy";
  const loaded = await loadLog(rbfile, file, requestsMax);
  try {
    await disk.rename(dbfile, keptIn);
  } catch (error) {
    throw state.fail("keep the damaged", error);
  }
  await replaceLog(state, file, () => state.load(loaded));
  log(`${dbfile} ${problem}: it is kept as ${keptIn}, and a new, empty log has begun`);
}

/** 64 random bits: two logs of one node must never be taken for the same. */
function newStoreId({ options }: LogState): string {
  const word = () => Math.floor(options.clock.random() * 2 ** 32);
  return [word(), word()].map((value) => value.toString(16).padStart(8, "0")).join("");
}
