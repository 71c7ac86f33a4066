import { Pipe } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** How the network treats messages for as long as the rule is in force. */
export interface LinkRule {
  applies(from: string, to: string): boolean;
  /** `cut`: nothing gets through. Else the factor by which messages take longer. */
  readonly effect: "cut" | number;
}

export interface NetworkProfile {
  /** Of one message in one direction, about. */
  readonly latencyMs: number;
  /** Part of the messages that get lost and are sent again. */
  readonly loss: number;
  /** Part of the calls between nodes that arrive a second time, later. */
  readonly duplication: number;
  /** Part of the answers to clients and routers, and to a lesser part between nodes, with whose arrival the connection breaks, so that they are lost. */
  readonly breaks: number;
}

/** A call has failed on the way. `unseen`: the callee has certainly not seen it. */
export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly unseen: boolean;

  constructor(message: string, unseen: boolean) {
    super(message);
    this.unseen = unseen;
  }
}

export interface Endpoint<Service> {
  readonly process: SimProcess;
  readonly service: Service;
  /** How to tell the callers of calls under way that the connection is reset. */
  readonly resets: Set<() => void>;
}

export interface CallOptions<Service, T> {
  readonly from: SimProcess;
  /** Name of the process that is called. */
  readonly to: string;
  readonly what: string;
  readonly signal: AbortSignal;
  readonly handle: (service: Service, signal: AbortSignal) => Promise<T>;
  /** The call changes nothing when it is made twice, so that the network may: at any time, or after such an answer. */
  readonly repeatable?: "always" | ((answer: T) => boolean) | undefined;
}

/** A lost message is sent again after this time, then after twice of it, and so on. */
const firstRetransmissionMs = 200;

/** A peer that does not answer a ping for so long is taken for dead. */
const brokenAfterMs = 8000;

/** Part of the crashes that take the machine with them, so that nobody's connection is reset. */
const silentDeaths = 0.2;

/** Carries calls between processes: late, twice, in another order, or not at all. */
export class Network<Service> {
  readonly rules = new Set<LinkRule>();
  /** While set, no connection breaks by itself. */
  isCalm = false;
  readonly counts = { messages: 0, lost: 0, duplicated: 0, refused: 0, reset: 0, cut: 0 };
  readonly #endpoints = new Map<string, Endpoint<Service>>();
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #profile: NetworkProfile;

  constructor(seed: number, scheduler: Scheduler, profile: NetworkProfile) {
    this.#scheduler = scheduler;
    this.#random = new Random(`${seed} network`);
    this.#profile = profile;
  }

  /** From now on, calls to the name of the process reach `service`, until the process dies or stops listening. */
  listen(process: SimProcess, service: Service): void {
    const endpoint = { process, service, resets: new Set<() => void>() };
    this.#endpoints.set(process.name, endpoint);
    process.onDeath(() => {
      if (this.#endpoints.get(process.name) === endpoint) this.#endpoints.delete(process.name);
      if (!this.resetsAtDeath()) return;
      for (const reset of [...endpoint.resets]) reset();
    });
  }

  endpointOf(name: string): Endpoint<Service> | undefined {
    return this.#endpoints.get(name);
  }

  /** Whether the peers of a process that dies now are told: its machine may die with it. */
  resetsAtDeath(): boolean {
    return !this.#random.chance(silentDeaths);
  }

  /** Whether a connection breaks now. `share`: how often it does so, as a part of how often others do. */
  breaks(share = 1): boolean {
    return !this.isCalm && this.#random.chance(share * this.#profile.breaks);
  }

  /** One direction of a connection. */
  pipe<Content>(from: string, to: string, what: string, arrive: (content: Content) => void): Pipe<Content> {
    const link = {
      latencyMs: () => this.latencyMs(from, to),
      isCut: () => this.isCut(from, to) || this.#random.chance(this.#profile.loss),
    };
    return new Pipe(this.#scheduler, `${from}>${to} ${what}`, link, arrive);
  }

  isCut(from: string, to: string): boolean {
    for (const rule of this.rules) if (rule.effect === "cut" && rule.applies(from, to)) return true;
    return false;
  }

  /** How long the next message takes. */
  latencyMs(from: string, to: string): number {
    const random = this.#random;
    let latencyMs = this.#profile.latencyMs * random.between(0.5, 1.5);
    // The long tail: queues, and machines that have something else to do.
    if (random.chance(0.01)) latencyMs *= random.between(2, 40);
    for (const { effect, applies } of this.rules)
      if (effect !== "cut" && applies(from, to)) latencyMs *= effect;
    return latencyMs;
  }

  /** Makes a call. Rejects with LinkError, the signal's reason, or what the callee has thrown. */
  call<T>(options: CallOptions<Service, T>): Promise<T> {
    const { from, to, what, signal, handle, repeatable } = options;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      let isOver = false;
      let callee: SimProcess | undefined;
      const remote = new AbortController();
      const end = (settle: () => void) => {
        if (isOver) return;
        isOver = true;
        signal.removeEventListener("abort", onAbort);
        cancelCheck();
        settle();
      };
      const onAbort = () => {
        this.#carry([from.name, to], `${what} aborted`, () =>
          callee?.receive(`${what} aborted`, () => remote.abort(new Error("the caller has gone"))),
        );
        end(() => reject(signal.reason));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const cancelCheck = this.#checkAlive(
        [from, to],
        () => callee,
        (error) => end(() => reject(error)),
      );
      const answer = (how: string, settle: () => void) =>
        this.#carry(
          [to, from.name],
          `${what} ${how}`,
          () => from.receive(`${what} ${how}`, () => end(settle)),
          () => !isOver,
        );
      const refuse = () => {
        this.counts.refused++;
        answer("refused", () => reject(new LinkError(`${to} cannot be reached`, true)));
      };
      const arrive = (answers: boolean) => {
        const endpoint = this.#endpoints.get(to);
        if (endpoint === undefined) {
          if (answers) refuse();
          return;
        }
        callee = endpoint.process;
        const reset = () => {
          this.counts.reset++;
          if (answers) answer("reset", () => reject(new LinkError(`the connection to ${to} broke`, false)));
        };
        endpoint.resets.add(reset);
        endpoint.process.receive(what, () => {
          const done = () => endpoint.resets.delete(reset) && answers && endpoint.process.state !== "dead";
          handle(endpoint.service, remote.signal).then(
            (value) => {
              // As a client would that has waited for long, or a proxy.
              const isDone = typeof repeatable === "function" && answers && repeatable(value);
              if (isDone && this.#random.chance(0.2)) repeat(20_000);
              return done() && answer("answered", () => resolve(value));
            },
            (error) => done() && answer("failed", () => reject(error)),
          );
        });
      };
      const repeat = (delayMsMax: number) => {
        this.counts.duplicated++;
        const delayMs = this.#random.between(0, delayMsMax);
        this.#scheduler.after(delayMs, "duplicate", () =>
          this.#carry([from.name, to], `${what} again`, () => arrive(false)),
        );
      };
      const isWanted = () => !isOver;
      this.#carry([from.name, to], what, () => arrive(true), isWanted);
      if (repeatable === "always" && this.#random.chance(this.#profile.duplication)) {
        repeat(2000);
      }
    });
  }

  /** Lets a message arrive, over a link that loses it by and by, while it is wanted. */
  #carry(
    [from, to]: readonly [string, string],
    what: string,
    arrive: () => void,
    isWanted = () => true,
  ): void {
    this.counts.messages++;
    const attempt = (delayMs: number, retransmissionMs: number) => {
      this.#scheduler.after(delayMs, `${from}>${to} ${what}`, () => {
        const isCut = this.isCut(from, to);
        if (isCut) this.counts.cut++;
        else if (this.#random.chance(this.#profile.loss)) this.counts.lost++;
        else return arrive();
        if (isWanted() && retransmissionMs < 10_000) attempt(retransmissionMs, retransmissionMs * 2);
      });
    };
    attempt(this.latencyMs(from, to), firstRetransmissionMs);
  }

  /** Ends a call over a connection that gives no sign of life. */
  #checkAlive(
    [from, to]: readonly [SimProcess, string],
    called: () => SimProcess | undefined,
    onBroken: (error: LinkError) => void,
  ): () => void {
    let cancel = () => {};
    const check = () => {
      const callee = this.#endpoints.get(to)?.process;
      const answersPings =
        callee?.state === "running" &&
        // Another process at this address knows nothing of the call.
        (called() ?? callee) === callee &&
        !this.isCut(from.name, to) &&
        !this.isCut(to, from.name);
      if (!answersPings)
        return onBroken(new LinkError(`the connection to ${to} gave no sign of life`, false));
      // A move of keys may take longer than all else.
      cancel = from.clock.timer(brokenAfterMs, check);
    };
    cancel = from.clock.timer(brokenAfterMs, check);
    return () => cancel();
  }
}
