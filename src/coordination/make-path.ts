import { type Coordination, CoordinationError } from "./coordination.ts";

/**
 * Creates the missing persistent, empty znodes down to `path`. The znode at `path` is open, or, if the session has
 * credentials, only its creator may write it. Those above it may have other uses, and are open. Errors: those of
 * `create` except NODE_EXISTS.
 */
export async function makePath(
  session: Coordination,
  path: string,
  { hasCredentials }: { hasCredentials: boolean },
): Promise<void> {
  const names = path.split("/").slice(1);
  for (const [i] of names.entries()) {
    const ancestor = `/${names.slice(0, i + 1).join("/")}`;
    const access = hasCredentials && ancestor === path ? "creator-writes" : "open";
    // Without write access to the parent, creating an existing znode fails with NO_AUTH rather than NODE_EXISTS.
    if ((await session.exists(ancestor)) !== undefined) continue;
    try {
      await session.create(ancestor, new Uint8Array(), "persistent", access);
    } catch (error) {
      if (!CoordinationError.is(error, "NODE_EXISTS")) throw error;
    }
  }
}
