import process from "node:process";

/** What must not be reached while a simulation runs: time and chance that do not follow from its seed, and the world. */
const forbidden: readonly (readonly [object, string, string])[] = [
  [globalThis, "globalThis", "setTimeout"],
  [globalThis, "globalThis", "setInterval"],
  [globalThis, "globalThis", "setImmediate"],
  [globalThis, "globalThis", "fetch"],
  [Date, "Date", "now"],
  [Math, "Math", "random"],
  [performance, "performance", "now"],
  [crypto, "crypto", "getRandomValues"],
  [crypto, "crypto", "randomUUID"],
  [AbortSignal, "AbortSignal", "timeout"],
];

/**
 * Lets `onBreach` know when anything of this process reaches for real time, chance or the network, or leaves an error
 * to nobody. Returns how to end that.
 */
export function guard(onBreach: (what: string) => void): () => void {
  const ends: (() => void)[] = [];
  const replace = (target: object, name: string, value: unknown) => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { configurable: true, writable: true, value });
    ends.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, before);
    });
  };
  // Errors are made by the thousand, and nobody reads where.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  ends.push(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });
  const breach = (what: string) => {
    Error.stackTraceLimit = stackTraceLimit;
    const error = new Error(`${what} was reached`);
    onBreach(error.stack ?? error.message);
    return error;
  };
  for (const [target, owner, name] of forbidden) {
    replace(target, name, () => {
      throw breach(`${owner}.${name}`);
    });
  }
  replace(AbortSignal, "any", anyOf);
  replace(
    globalThis,
    "Date",
    new Proxy(Date, {
      construct(target, args) {
        if (args.length === 0) throw breach("new Date()");
        return Reflect.construct(target, args);
      },
    }),
  );
  const onUnhandled = (error: unknown) => {
    onBreach(`an error that nobody handles: ${error instanceof Error ? error.stack : String(error)}`);
  };
  for (const event of ["unhandledRejection", "uncaughtException"]) {
    process.on(event, onUnhandled);
    ends.push(() => process.off(event, onUnhandled));
  }
  return () => {
    for (const end of ends.reverse()) end();
  };
}

/**
 * As AbortSignal.any. The runtime's own keeps each signal that has a listener until it is aborted, and all of a cluster
 * with it: those of a killed process, or of a run that has ended, never are.
 */
function anyOf(signals: readonly AbortSignal[]): AbortSignal {
  const any = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) any.abort(signal.reason);
    else signal.addEventListener("abort", () => any.abort(signal.reason), { once: true });
  }
  return any.signal;
}
