import { type Coordination, CoordinationError } from "./coordination.ts";

/**
 * Makes the persistent, empty znodes that are missing down to `path`. That at `path` itself is for everybody to write,
 * or for its creator if the session has credentials; those above it may have other uses, and are open.
 * Errors: those of `create` except NODE_EXISTS.
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
    // Where the parent is not ours to write, even creating what is there already would be refused.
    if ((await session.exists(ancestor)) !== undefined) continue;
    try {
      await session.create(ancestor, new Uint8Array(), "persistent", access);
    } catch (error) {
      if (!CoordinationError.is(error, "NODE_EXISTS")) throw error;
    }
  }
}
