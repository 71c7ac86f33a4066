import type { Coordination, OpenSession } from "../../src/coordination/coordination.ts";

/** Opens a session and closes it after `body`. */
export async function withSession(
  open: OpenSession,
  body: (session: Coordination) => Promise<void>,
): Promise<void> {
  const session = await open();
  try {
    await body(session);
  } finally {
    await session.close();
  }
}
