/** The disk is full, the user's quota is used up, or the file has reached its size limit. */
const noRoomCodes: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Whether a write failed because there was no room. The system may have written a part of it. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof Error && "code" in error && noRoomCodes.has(error.code);
}
