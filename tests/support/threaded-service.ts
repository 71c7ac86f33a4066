import { isMainThread, parentPort, Worker } from "node:worker_threads";
import type { Coordination } from "../../src/coordination/coordination.ts";
import type { ServiceUnderTest } from "./conformance/service.ts";
import { type NetworkedDriver, networkedService } from "./networked-coordination.ts";

/**
 * What `networkedService` gives, with its proxies in a thread of their own: for a driver that blocks its thread until
 * the server has answered.
 */
export async function threadedService(driver: NetworkedDriver): Promise<ServiceUnderTest> {
  const worker = new Worker(new URL(import.meta.url));
  /** Numbers of the sessions in the thread. */
  const numbers = new Map<Coordination, number>();
  const calls: PromiseWithResolvers<Answer>[] = [];
  worker.on("message", ({ number, error, ...answer }: Numbered<Answer>) => {
    if (error === undefined) calls[number]?.resolve(answer);
    else calls[number]?.reject(error);
  });
  worker.on("error", (error) => {
    for (const { reject } of calls) reject(error);
  });
  const call = (request: Request): Promise<Answer> => {
    const waiting = Promise.withResolvers<Answer>();
    worker.postMessage({ ...request, number: calls.push(waiting) - 1 } satisfies Numbered<Request>);
    return waiting.promise;
  };
  const forward = (what: "cut" | "mend" | "mute" | "expire") => async (session: Coordination) => {
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
      await worker.terminate();
    },
  };
}

type Request =
  | { readonly what: "open" | "restart" | "stop" }
  | { readonly what: "cut" | "mend" | "mute" | "expire"; readonly session: number };

interface Answer {
  readonly session?: number;
  readonly connectString?: string;
  readonly error?: unknown;
}

type Numbered<T> = T & { readonly number: number };

/** The thread's side: a service whose sessions only stand for those of the main thread. */
async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const sessions: Coordination[] = [];
  let connectString = "";
  const service = await networkedService((settings) => async () => {
    connectString = settings.connectString;
    return { close: async () => {} } as unknown as Coordination;
  });
  const answer = async (request: Request): Promise<Answer> => {
    switch (request.what) {
      case "open":
        return { session: sessions.push(await service.open()) - 1, connectString };
      case "restart":
        await service.restart?.();
        return {};
      case "stop":
        await service.stop();
        return {};
      default: {
        const session = sessions[request.session];
        if (session === undefined) throw new Error(`there is no session ${request.session}`);
        await service[request.what]?.(session);
        return {};
      }
    }
  };
  port.on("message", async ({ number, ...request }: Numbered<Request>) => {
    const answered = await answer(request).catch((error: unknown) => ({ error }));
    port.postMessage({ number, ...answered } satisfies Numbered<Answer>);
  });
}

if (!isMainThread && parentPort !== null) await serve(parentPort);
