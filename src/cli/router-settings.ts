import { number, type Setting, type SettingsOf, text, toggle, withDefault } from "../settings/setting.ts";

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
    text({
      meaning: "Host of the router, unless --router is given.",
      placeholder: "HOST",
      allowed: "a host",
    }),
    "localhost",
  ),
  serverport: withDefault(
    number({
      meaning: "Port of the router, unless --router is given.",
      placeholder: "PORT",
      min: 1,
      max: 65_535,
    }),
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

/** The routers that the settings name, as URLs. */
export function routersOf({
  router,
  serverip,
  serverport,
}: SettingsOf<typeof routerSettings>): readonly string[] {
  return router ?? [`http://${serverip.includes(":") ? `[${serverip}]` : serverip}:${serverport}`];
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
