import type { Address } from "../common/address.ts";
import { checkOptions } from "../common/check-options.ts";
import { abortSignal, callback, type Kinds } from "../common/option-kinds.ts";
import { announcedAddress } from "../settings/announced.ts";
import { dataProgram, routerProgram } from "../settings/programs.ts";
import { readSettings, SettingError } from "../settings/read-settings.ts";
import type { Program, Setting, SettingsOf, SettingsTable } from "../settings/setting.ts";
import { dataOptions } from "./data-program.ts";
import { startDataServer } from "./data-server.ts";
import { routerOptions } from "./router-program.ts";
import { startRouterServer } from "./router-server.ts";
import type { Server } from "./server.ts";

/** Some settings of a program by name, as texts or numbers. Those that are absent have their defaults. */
type Given<Table extends SettingsTable> = { readonly [Name in keyof Table]?: string | number };

/** The settings of a router, as the flags of `kvlab router`, with the same meanings and defaults. */
export type RouterSettings = Given<typeof routerProgram.settings>;

/** The settings of a data node, as the flags of `kvlab data`, with the same meanings and defaults. */
export type DataNodeSettings = Given<typeof dataProgram.settings> & {
  /** Name of the node's group. */
  readonly name: string;
};

export interface StartOptions {
  /** Called with each message for an operator: one line. Default: they are dropped. */
  readonly log?: (message: string) => void;
  /** Ends the start: without ZooKeeper it would wait for ever. */
  readonly signal?: AbortSignal;
}

const startKinds: Kinds<StartOptions> = { log: callback, signal: abortSignal };

/** Servers in this process. It is an `AsyncDisposable`. */
export interface RunningServer extends AsyncDisposable {
  /** Where to call it, for a `KvClient`: `http://host:port`. */
  readonly url: string;
  /** Rejects when it cannot continue, as when its disk fails. Never resolves. */
  readonly failed: Promise<never>;
  /** Stops it: lets calls in flight finish, and leaves the cluster. */
  close(): Promise<void>;
}

/**
 * Starts a router in this process. Resolves when it has joined the cluster. `serverport: 0` takes a free port. Errors:
 * SettingError (a setting is not allowed); RangeError (an option is not allowed); the reason of the signal; what `failed`
 * would reject with.
 */
export async function startRouter(
  settings: RouterSettings = {},
  options: StartOptions = {},
): Promise<RunningServer> {
  checkOptions("the start", options, startKinds);
  const { log = () => {}, signal } = options;
  const given = read(routerProgram, settings);
  return await joined(await startRouterServer({ ...routerOptions(given), ...announced(given), log }), signal);
}

/**
 * Starts a data node in this process. Resolves when it has joined the cluster. `serverport: 0` takes a free port. Errors:
 * SettingError (a setting is not allowed); RangeError (an option is not allowed); LogFileError, ForeignLog (its log cannot
 * be used); the reason of the signal; what `failed` would reject with.
 */
export async function startDataNode(
  settings: DataNodeSettings,
  options: StartOptions = {},
): Promise<RunningServer> {
  checkOptions("the start", options, startKinds);
  const { log = () => {}, signal } = options;
  const given = read(dataProgram, settings);
  return await joined(await startDataServer({ ...dataOptions(given), ...announced(given), log }), signal);
}

/** Servers that run, called at `address`. `stop` is called once. */
export function running(
  address: string,
  servers: readonly Server[],
  stop: () => Promise<void>,
): RunningServer {
  let stopped: Promise<void> | undefined;
  const close = () => {
    stopped ??= stop();
    return stopped;
  };
  const failed = Promise.race(servers.map((server) => server.failed));
  failed.catch(() => {}); // Whoever runs them may await it later.
  return { url: `http://${address}`, failed, close, [Symbol.asyncDispose]: close };
}

function read<Table extends SettingsTable & { readonly serverport: Setting<number> }>(
  program: Program<Table>,
  settings: Given<Table>,
): SettingsOf<Table> {
  const given = Object.entries<string | number | undefined>(settings).filter(
    ([, value]) => value !== undefined,
  );
  const unknown = given.find(([name]) => !Object.hasOwn(program.settings, name));
  if (unknown !== undefined) {
    const allowed = Object.keys(program.settings).join(", ");
    throw new SettingError(`${unknown[0]} is not a setting of ${program.command}; allowed: ${allowed}`);
  }
  const takesAnyPort = String(settings.serverport) === "0";
  const args = given
    .filter(([name]) => !(takesAnyPort && name === "serverport"))
    .map(([name, value]) => `--${name}=${value}`);
  const values = readSettings(program, { args, env: {} });
  return takesAnyPort ? { ...values, serverport: 0 } : values;
}

/** Where others reach the server. Of a free port only the host is known before it listens. Errors: SettingError. */
function announced(given: Parameters<typeof announcedAddress>[0]): { announce?: Address } {
  const { serverport } = given;
  const announce = announcedAddress({ ...given, serverport: serverport === 0 ? 1 : serverport });
  return given.announce === undefined && serverport === 0 ? {} : { announce };
}

async function joined(server: Server, signal = new AbortController().signal): Promise<RunningServer> {
  const started = running(server.address, [server], () => server.stop());
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    // A signal may live as long as the program, and start many servers.
    server.joined.catch(() => {}).finally(() => signal.removeEventListener("abort", abort));
  });
  try {
    await Promise.race([server.joined, started.failed, aborted]);
    return started;
  } catch (error) {
    await started.close();
    throw error;
  }
}
