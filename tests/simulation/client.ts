import { Code, ConnectError } from "@connectrpc/connect";
import { isNotApplied } from "../../src/rpc/errors.ts";
import type { HistoryRecorder } from "../checker/history.ts";
import type { KeyOperation } from "../checker/key-value-model.ts";
import { withDeadline } from "./deadline.ts";
import { LinkError } from "./network.ts";
import { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { Services } from "./services.ts";
import { count, type World } from "./world.ts";

const largeBytes = 200_000;

/** One client: makes a call to some router, waits for the answer, thinks, and so on. */
export class Client {
  /** While set, it makes no further calls. */
  isQuiet = false;
  readonly #number: number;
  readonly #world: World;
  readonly #random: Random;
  readonly #process: SimProcess;
  readonly #routers: readonly string[];
  readonly #history: HistoryRecorder<KeyOperation>;
  #written = 0;

  constructor(
    world: World,
    number: number,
    routers: readonly string[],
    history: HistoryRecorder<KeyOperation>,
  ) {
    this.#number = number;
    this.#world = world;
    this.#routers = routers;
    this.#history = history;
    const { seed, scheduler, trace } = world;
    this.#random = new Random(`${seed} client ${number}`);
    this.#process = new SimProcess(`c${number}`, 1, seed, scheduler, trace);
    this.#think();
  }

  #think(): void {
    const random = this.#random;
    const { thinkMs } = this.#world.profile;
    // Now and then, several calls at once.
    const delayMs = random.chance(0.2) ? 0 : thinkMs * random.between(0, 2);
    this.#process.deliver(delayMs, "think", () => {
      if (this.isQuiet) return this.#think();
      void this.act().then(() => this.#think());
    });
  }

  /** Makes a call, of its own choice unless told. Resolves, when it is over, with whether it succeeded. */
  async act(told?: { kind: KeyOperation["kind"]; key: string }): Promise<boolean> {
    const random = this.#random;
    const kind =
      told?.kind ?? random.pick(["get", "get", "get", "get", "put", "put", "put", "put", "delete"]);
    const key = told?.key ?? random.pick(this.#world.profile.keys);
    const value = `${this.#number}-${++this.#written}`;
    const asked: KeyOperation =
      kind === "put" ? { kind, key, value, result: undefined } : { kind, key, result: undefined };
    const id = this.#history.invoke(this.#number, asked);
    const shown = `${kind} ${key}${kind === "put" ? `=${value}` : ""}`;
    this.#process.log(shown);
    const deadlineMs = random.chance(0.1) ? random.between(50, 1500) : 10_000;
    try {
      const done = await withDeadline(
        this.#process.clock,
        new AbortController().signal,
        (signal) => this.#ask(asked, signal),
        deadlineMs,
      );
      this.#history.complete(id, done);
      this.#end(shown, done.result === "not-found" ? "not found" : "ok", done);
      return true;
    } catch (error) {
      const isCertain = kind === "get" || isUnapplied(error);
      if (isCertain) this.#history.failed(id);
      else this.#history.unknown(id);
      const why = error instanceof Error ? error.message : String(error);
      this.#end(shown, isCertain ? "failed" : "unknown", why);
      return false;
    }
  }

  async #ask(asked: KeyOperation, signal: AbortSignal): Promise<KeyOperation> {
    const { key } = asked;
    const random = this.#random;
    try {
      switch (asked.kind) {
        case "get": {
          const { value, revision } = await this.#call(`get ${key}`, signal, (router, given) =>
            router.get(key, given),
          );
          const [shown = ""] = Buffer.from(value).toString().split(" ", 1);
          return { ...asked, result: { value: shown, revision } };
        }
        case "put": {
          // What follows the first space only makes it larger.
          const filling = random.chance(this.#world.profile.largeValues) ? ` ${"-".repeat(largeBytes)}` : "";
          const value = Buffer.from(asked.value + filling);
          const revision = await this.#call(`put ${key}`, signal, (router, given) =>
            router.put(key, value, given),
          );
          return { ...asked, result: { revision } };
        }
        case "delete": {
          const revision = await this.#call(`delete ${key}`, signal, (router, given) =>
            router.delete(key, given),
          );
          return { ...asked, result: { revision } };
        }
      }
    } catch (error) {
      if (asked.kind === "put" || ConnectError.from(error).code !== Code.NotFound) throw error;
      return { ...asked, result: "not-found" };
    }
  }

  #call<T>(
    what: string,
    signal: AbortSignal,
    handle: (router: Services, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const to = this.#random.pick(this.#routers);
    return this.#world.network.call({ from: this.#process, to, what, signal, handle });
  }

  #end(shown: string, outcome: string, detail: unknown): void {
    count(this.#world, `call ${outcome}`);
    const text = typeof detail === "string" ? detail : "";
    const { result } = typeof detail === "object" ? (detail as KeyOperation) : { result: undefined };
    this.#process.log(`${shown}: ${outcome} ${text}${result === undefined ? "" : JSON.stringify(result)}`);
  }
}

function isUnapplied(error: unknown): boolean {
  if (error instanceof LinkError) return error.unseen;
  return error instanceof ConnectError && (isNotApplied(error) || error.code === Code.InvalidArgument);
}
