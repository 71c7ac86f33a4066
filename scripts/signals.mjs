const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
// npm passes on to us also the signals that a terminal has already sent to the whole job.
const SAME_SIGNAL_MS = 500;
const PARENT_CHECK_MS = 200;

/**
 * Calls `stop` with every signal that asks us to end, once for each time that somebody sends it; also with SIGTERM
 * when the npm that runs us has gone. Returns how to end that.
 */
export function onStopSignal(stop) {
  let last = { signal: "", atMs: 0 };
  const handlers = SIGNALS.map((signal) => () => {
    const atMs = Date.now();
    const isEcho = signal === last.signal && atMs - last.atMs < SAME_SIGNAL_MS;
    last = { signal, atMs };
    if (!isEcho) stop(signal);
  });
  SIGNALS.forEach((signal, index) => {
    process.on(signal, handlers[index]);
  });

  // npm signals the shell that it runs us in, and that shell ends without telling us.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env.npm_lifecycle_event === undefined || process.ppid === parent) return;
    clearInterval(watch);
    stop("SIGTERM");
  }, PARENT_CHECK_MS);
  watch.unref();

  return () => {
    clearInterval(watch);
    SIGNALS.forEach((signal, index) => {
      process.off(signal, handlers[index]);
    });
  };
}
