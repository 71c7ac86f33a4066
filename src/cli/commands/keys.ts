import { NOT_FOUND } from "../../settings/exit-codes.ts";
import { ExitError, print } from "../../settings/run-main.ts";
import { keyCommand, routerCommand } from "../command.ts";
import { readStdin } from "../input.ts";
import { quoted, told } from "../key-failure.ts";
import {
  conditionOf,
  deleteConditions,
  keySetting,
  putConditions,
  ttlSetting,
  valueSetting,
} from "../key-settings.ts";
import { jsonSetting } from "../router-settings.ts";
import { entryJson, readable } from "../value-forms.ts";

export const putCommand = keyCommand(
  {
    command: "kvlab put",
    summary: "Writes a key. Returns when every in-sync replica has it on disk.",
    settings: {
      key: keySetting,
      value: valueSetting,
      ttl: ttlSetting,
      ...putConditions,
      json: jsonSetting,
    },
    examples: [
      "kvlab put greeting 'hello world'",
      "kvlab put photo - < photo.jpg",
      "kvlab put session:7 alice --ttl 30m",
      "kvlab put lock me --if-absent --ttl 10s",
      "kvlab put counter 8 --if-revision 41",
      "kvlab put --router http://10.0.0.1:1926,http://10.0.0.2:1926 -- -5 minus-five",
    ],
  },
  async ({ key, value, ttl: ttlMs, json, ...flags }, { client, signal }) => {
    const condition = conditionOf(flags);
    // In the repl, standard input contains the commands.
    const content = value === "-" && signal === undefined ? await readStdin() : value;
    const what = `put ${quoted(key)}`;
    const { revision } = await told(what, "write", client.put(key, content, { ...condition, ttlMs, signal }));
    await printLine(json ? JSON.stringify({ key, revision }) : `ok, revision ${revision}`);
    return 0;
  },
);

export const getCommand = keyCommand(
  {
    command: "kvlab get",
    summary:
      "Prints the value of a key. Nothing is added to its bytes. Exit code 1 when the key does not exist. With --json also its revision and time to live.",
    settings: { key: keySetting, json: jsonSetting },
    examples: ["kvlab get greeting", "kvlab get photo > photo.jpg", "kvlab get session:7 --json"],
  },
  async ({ key, json }, { client, signal }) => {
    const what = `get ${quoted(key)}`;
    const found = (await told(what, "read", client.get(key, { signal }))) ?? notFound(what);
    if (json) await printLine(entryJson(found));
    else if (signal === undefined) await print(found.bytes());
    else await printLine(readable(found.value));
    return 0;
  },
);

export const deleteCommand = keyCommand(
  {
    command: "kvlab delete",
    summary: "Deletes a key. Exit code 1 when the key does not exist.",
    settings: { key: keySetting, ...deleteConditions, json: jsonSetting },
    examples: ["kvlab delete greeting", "kvlab delete lock --if-revision 41"],
  },
  async ({ key, json, ...flags }, { client, signal }) => {
    const { ifRevision, ifPresent } = conditionOf(flags);
    const what = `delete ${quoted(key)}`;
    const done = await told(what, "write", client.delete(key, { ifRevision, ifPresent, signal }));
    const { revision } = done ?? notFound(what);
    await printLine(json ? JSON.stringify({ key, revision }) : `deleted, revision ${revision}`);
    return 0;
  },
);

export const locateCommand = routerCommand(
  {
    command: "kvlab locate",
    summary:
      "Prints the group of a key and the address of its primary. The address is - while the group has no primary.",
    settings: { key: keySetting, json: jsonSetting },
    examples: ["kvlab locate greeting", "kvlab locate greeting --json"],
  },
  async ({ key, json }, { ask }) => {
    const { group, address, ringVersion, ageMs } = await ask({
      what: `locate ${quoted(key)}`,
      kind: "read",
      call: ({ router }, options) => router.locate({ key }, options),
    });
    await printLine(
      json
        ? JSON.stringify({ key, group, address, ringVersion: Number(ringVersion), ageMs: Number(ageMs) })
        : `${group} ${address || "-"}`,
    );
    return 0;
  },
);

function notFound(what: string): never {
  throw new ExitError(NOT_FOUND, `${what}: not found`);
}

function printLine(line: string): Promise<void> {
  return print(`${line}\n`);
}
