import { isIPv6 } from "node:net";
import { parseRouters, routerAllowed } from "../client/router-urls.ts";
import { messageOf } from "../common/message-of.ts";
import { SettingError } from "../settings/read-settings.ts";
import {
  host,
  number,
  port,
  type Setting,
  type SettingsOf,
  toggle,
  withDefault,
} from "../settings/setting.ts";

const router: Setting<readonly string[] | undefined> = {
  meaning: "Router to call. Several can be given: when one does not answer, the next one is called.",
  placeholder: "URL",
  source: "flag",
  repeatable: true,
  allowed: `${routerAllowed}, several separated by commas`,
  parse: routersSetting,
  fallback: { value: undefined, shown: "the one that serverip and serverport name" },
};

/** The settings of every command that asks a router. */
export const routerSettings = {
  router,
  serverip: withDefault(
    host({ meaning: "Host of the router, unless --router is given.", placeholder: "HOST" }),
    "localhost",
  ),
  serverport: withDefault(
    port({ meaning: "Port of the router, unless --router is given.", placeholder: "PORT" }),
    1926,
  ),
  timeout: withDefault(
    number({
      meaning: "Seconds to wait for an answer.",
      placeholder: "SECONDS",
      min: 0.001,
      max: 86_400,
      fraction: true,
      source: "flag",
    }),
    10,
  ),
};

/** The settings of every command that reads or writes keys. */
export const callSettings = {
  ...routerSettings,
  direct: toggle(
    "Call the data nodes directly, which is faster where they can be reached. Otherwise the routers forward calls.",
  ),
};

/** The settings of these tables that say where the cluster is. */
export type ReachSettings = SettingsOf<typeof routerSettings> & { readonly direct?: boolean };

export const jsonSetting = toggle("Print JSON.");

/** The URLs of the routers that the settings name. Errors: SettingError (serverip has a zone). */
export function routersOf(settings: ReachSettings): readonly string[] {
  const { router, serverip, serverport } = settings;
  if (router !== undefined) return router;
  // A server may listen on such an address, but no URL has one.
  if (serverip.includes("%")) {
    throw new SettingError(
      `serverip is ${JSON.stringify(serverip)}, which has a zone; allowed: an address without one, or --router`,
    );
  }
  return [`http://${isIPv6(serverip) ? `[${serverip}]` : serverip}:${serverport}`];
}

/** Errors: SettingError, which names the URL and what is wrong with it. */
function routersSetting(given: string): string[] {
  try {
    return parseRouters(given);
  } catch (error) {
    throw new SettingError(messageOf(error));
  }
}
