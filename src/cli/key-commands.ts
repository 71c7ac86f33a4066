import { print } from "../settings/run-main.ts";
import { text } from "../settings/setting.ts";
import { command } from "./command.ts";
import { readStdin } from "./input.ts";
import { bytesOf, describePlace, get, locate, put, remove } from "./keys.ts";
import { jsonSetting, routerSettings, routersOf } from "./router-settings.ts";

const key = text({
  meaning: "The key, at most 4 KiB of UTF-8. After -- it may begin with a dash.",
  placeholder: "KEY",
  source: "operand",
  allowed: "any text",
  accepts: () => true,
});

const settings = { key, ...routerSettings, json: jsonSetting };

export const putCommand = command(
  {
    command: "kvlab put",
    summary: "Writes a key. Returns when every in-sync replica has it on disk.",
    settings: {
      key,
      value: text({
        meaning: "The value, put as text; or - for the bytes of standard input.",
        placeholder: "VALUE",
        source: "operand",
        allowed: "any text",
        accepts: () => true,
      }),
      ...routerSettings,
      json: jsonSetting,
    },
    examples: [
      "kvlab put greeting 'hello world'",
      "kvlab put photo - < photo.jpg",
      "kvlab put --router http://10.0.0.1:1926,http://10.0.0.2:1926 -- -5 minus-five",
    ],
  },
  async ({ key, value, json, ...where }) => {
    const routers = routersOf(where);
    const { revision } = await put(routers, key, value === "-" ? await readStdin() : value);
    await printLine(json ? JSON.stringify({ key, revision: Number(revision) }) : `ok, revision ${revision}`);
    return 0;
  },
);

export const getCommand = command(
  {
    command: "kvlab get",
    summary:
      "Prints the value of a key. Nothing is added to its bytes; exit code 1 when there is no such key.",
    settings,
    examples: ["kvlab get greeting", "kvlab get photo > photo.jpg", "kvlab get greeting --json"],
  },
  async ({ key, json, ...where }) => {
    const routers = routersOf(where);
    const answer = await get(routers, key);
    if (!json) {
      await print(bytesOf(answer));
      return 0;
    }
    const value =
      answer.value.case === "text"
        ? { text: answer.value.value }
        : { base64: Buffer.from(bytesOf(answer)).toString("base64") };
    await printLine(JSON.stringify({ key, ...value, revision: Number(answer.revision) }));
    return 0;
  },
);

export const deleteCommand = command(
  {
    command: "kvlab delete",
    summary: "Removes a key. Exit code 1 when there is no such key.",
    settings,
    examples: ["kvlab delete greeting"],
  },
  async ({ key, json, ...where }) => {
    const routers = routersOf(where);
    const { revision } = await remove(routers, key);
    await printLine(
      json ? JSON.stringify({ key, revision: Number(revision) }) : `deleted, revision ${revision}`,
    );
    return 0;
  },
);

export const locateCommand = command(
  {
    command: "kvlab locate",
    summary:
      "Prints the group of a key and the address of its primary. The address is - while there is none.",
    settings,
    examples: ["kvlab locate greeting", "kvlab locate greeting --json"],
  },
  async ({ key, json, ...where }) => {
    const routers = routersOf(where);
    const place = await locate(routers, key);
    const { group, address, ringVersion, ageMs } = place;
    await printLine(
      json
        ? JSON.stringify({ key, group, address, ringVersion: Number(ringVersion), ageMs: Number(ageMs) })
        : describePlace(place),
    );
    return 0;
  },
);

function printLine(line: string): Promise<void> {
  return print(`${line}\n`);
}
