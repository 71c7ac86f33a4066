import type { LogIdentity } from "../log-store.ts";
import { Appender } from "./appender.ts";
import { formatControlLine } from "./control-line.ts";
import { nameForDamaged } from "./damaged-name.ts";
import { LogFileError } from "./errors.ts";
import { loadLog } from "./load.ts";
import { positionAt, Rewrite, replaceLog } from "./rewrite.ts";
import type { LogState } from "./state.ts";

/**
 * Gives the log a header that names its owner. Records of the original program become a snapshot part of our own form.
 * To be called in the log's lane.
 */
export async function adoptLog(state: LogState, group: string, number: number): Promise<void> {
  const { identity, options, base, legacySeq, live } = state;
  if (identity !== undefined) {
    throw new Error(
      `${options.dbfile} belongs to node ${identity.number} of group "${identity.group}" already`,
    );
  }
  if (state.hasLostHeader) return await beginAnew(state, { group, number, storeId: newStoreId(state) });
  const horizon = positionAt(state, Math.max(base.seq, legacySeq));
  const rewrite = await Rewrite.begin(state, {
    identity: { group, number, storeId: newStoreId(state) },
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
    const appender = new Appender(file, 0);
    appender.addLine(formatControlLine({ kind: "header", identity, snapshot: false }));
    if (promisedEpoch > 0) appender.addLine(formatControlLine({ kind: "promise", epoch: promisedEpoch }));
    await appender.flush();
    await file.datasync();
  } catch (error) {
    await file.close();
    await disk.remove(rbfile);
    throw LogFileError.from(rbfile, "write it", error);
  }
  const loaded = await loadLog(rbfile, file, requestsMax);
  try {
    await disk.rename(dbfile, keptIn);
  } catch (error) {
    throw state.fail("keep the damaged", error);
  }
  await replaceLog(state, file, () => state.load(loaded));
  log(`${dbfile} had lost its header: it is kept as ${keptIn}, and a new, empty log has begun`);
}

/** 64 random bits: two logs of one node must never be taken for the same. */
function newStoreId({ options }: LogState): string {
  const word = () => Math.floor(options.clock.random() * 2 ** 32);
  return [word(), word()].map((value) => value.toString(16).padStart(8, "0")).join("");
}
