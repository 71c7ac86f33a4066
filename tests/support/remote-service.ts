import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Coordination } from "../../src/coordination/coordination.ts";
import type { ServiceUnderTest } from "./conformance/service.ts";
import { type NetworkedDriver, networkedService } from "./networked-coordination.ts";

/** What is asked of the other process. `session` is the number that it gave to a session. */
interface Request {
  readonly what: "open" | "cut" | "mend" | "mute" | "expire" | "restart" | "stop";
  readonly session?: number;
}

interface Answer {
  readonly session?: number;
  readonly connectString?: string;
  readonly error?: string;
}

type Numbered<T> = T & { readonly number: number };

/**
 * What `networkedService` gives, in a process of its own: for a driver that blocks its thread until the server has
 * answered, and whose sockets are inherited by every process that is started beside it.
 */
export async function remoteService(driver: NetworkedDriver): Promise<ServiceUnderTest> {
  const child = fork(fileURLToPath(import.meta.url));
  const call = caller(child);
  const numbers = new Map<Coordination, number>();
  const forward = (what: Request["what"]) => async (session: Coordination) => {
    await call({ what, session: numbers.get(session) ?? -1 });
  };
  return {
    async open({ chroot = "", auth, signal } = {}) {
      const { connectString = "", session = -1 } = await call({ what: "open" });
      const opening = driver({
        connectString: connectString + chroot,
        sessionTimeoutMs: 20_000,
        ...(auth !== undefined && { auth }),
      });
      const opened = await opening(signal && { signal });
      numbers.set(opened, session);
      return opened;
    },
    cut: forward("cut"),
    mend: forward("mend"),
    mute: forward("mute"),
    expire: forward("expire"),
    async restart() {
      await call({ what: "restart" });
    },
    async stop() {
      await Promise.all([...numbers.keys()].map((session) => session.close()));
      await call({ what: "stop" });
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}

function caller(child: ChildProcess): (request: Request) => Promise<Answer> {
  const calls: PromiseWithResolvers<Answer>[] = [];
  child.on("message", ({ number, ...answer }: Numbered<Answer>) => {
    if (answer.error === undefined) calls[number]?.resolve(answer);
    else calls[number]?.reject(new Error(answer.error));
  });
  child.on("exit", (code) => {
    for (const { reject } of calls) reject(new Error(`the process with the service ended with code ${code}`));
  });
  return (request) => {
    const waiting = Promise.withResolvers<Answer>();
    child.send({ ...request, number: calls.push(waiting) - 1 } satisfies Numbered<Request>);
    return waiting.promise;
  };
}

/** The other process: a service whose sessions only stand for those of the first. */
async function serve(): Promise<void> {
  const sessions: Coordination[] = [];
  const connectStrings = new Map<Coordination, string>();
  const starting = networkedService(({ connectString }) => async () => {
    const session = { close: async () => {} } as unknown as Coordination;
    connectStrings.set(session, connectString);
    return session;
  });
  const answer = async ({ what, session: number = -1 }: Request): Promise<Answer> => {
    const service = await starting;
    if (what === "open") {
      const session = await service.open();
      return { session: sessions.push(session) - 1, connectString: connectStrings.get(session) ?? "" };
    }
    if (what === "restart" || what === "stop") {
      await service[what]?.();
      return {};
    }
    const session = sessions[number];
    if (session === undefined) throw new Error(`there is no session ${number}`);
    await service[what]?.(session);
    return {};
  };
  process.on("message", async ({ number, ...request }: Numbered<Request>) => {
    const answered = await answer(request).catch((error): Answer => ({ error: String(error) }));
    process.send?.({ ...answered, number } satisfies Numbered<Answer>);
  });
  // The first process has gone, or needs no more.
  process.on("disconnect", () => process.exit());
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) await serve();
