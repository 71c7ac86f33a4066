import { isIPv6 } from "node:net";
import {
  host,
  number,
  port,
  type Setting,
  type SettingsOf,
  toggle,
  withDefault,
} from "../settings/setting.ts";
import { connectRouters, type Routers } from "./routers.ts";

const router: Setting<readonly string[] | undefined> = {
  meaning: "Router to ask; of several, the next one is asked when one does not answer.",
  placeholder: "URL",
  source: "flag",
  repeatable: true,
  allowed: "http://host:port, several separated by commas",
  parse: parseRouters,
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

export const jsonSetting = toggle("Print JSON.");

/** The routers that the settings name. */
export function routersOf(settings: SettingsOf<typeof routerSettings>): Routers {
  const { router, serverip, serverport, timeout } = settings;
  const authority = `${isIPv6(serverip) ? `[${serverip}]` : serverip}:${serverport}`;
  return connectRouters(router ?? [`http://${authority}`], timeout * 1000);
}

function parseRouters(given: string): string[] | undefined {
  const urls = given.split(",").map((part) => {
    const url = URL.parse(part.includes("://") ? part : `http://${part}`);
    return url?.protocol === "http:" && url.pathname === "/" && !url.search
      ? `http://${url.host}`
      : undefined;
  });
  return urls.includes(undefined) ? undefined : urls.filter((url) => url !== undefined);
}
