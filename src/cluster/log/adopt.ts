import { LogFileError } from "./errors.ts";
import { positionAt, Rewrite } from "./rewrite.ts";
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

/** 64 random bits: two logs of one node must never be taken for the same. */
function newStoreId({ options }: LogState): string {
  const word = () => Math.floor(options.clock.random() * 2 ** 32);
  return [word(), word()].map((value) => value.toString(16).padStart(8, "0")).join("");
}
