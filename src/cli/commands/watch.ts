import process from "node:process";
import { KvError, type KvEvent, type KvPrevious, type KvProgress } from "../../client/index.ts";
import { SettingError } from "../../settings/read-settings.ts";
import { isNotRead, printPart } from "../../settings/run-main.ts";
import { optional, text, toggle } from "../../settings/setting.ts";
import { keyCommand } from "../command.ts";
import { brokenOff, keyFailure } from "../key-failure.ts";
import { keyFlag } from "../key-settings.ts";
import { jsonSetting } from "../router-settings.ts";
import { fieldOf, valueJson } from "../value-forms.ts";

export const watchCommand = keyCommand(
  {
    command: "kvlab watch",
    summary:
      "Prints changes as they happen, until Ctrl-C: put, delete or expire, a tab, the key, and of a put a tab and the value, escaped as by `kvlab scan`. Nothing is missed, over failovers and broken connections. On standard error it says when it has begun and, at the end, how to go on from there.",
    settings: {
      key: optional(
        text({
          meaning: "Only this key. Without it, and without --prefix, all keys.",
          placeholder: "KEY",
          source: "operand",
          allowed: "any text",
          accepts: () => true,
        }),
      ),
      prefix: keyFlag("Only keys that begin with this.", "PREFIX"),
      after: optional(
        text({
          meaning:
            "Only changes after this token of an earlier watch, which --json prints in every line. Exit code 8 when the servers no longer know these changes.",
          placeholder: "TOKEN",
          source: "flag",
          allowed: "a token of `kvlab watch`",
        }),
      ),
      previous: toggle("Also print the previous value, in one more field at the end."),
      json: jsonSetting,
    },
    examples: [
      "kvlab watch greeting",
      "kvlab watch --prefix user: --json | jq -r .key",
      "kvlab watch --prefix user: --previous",
    ],
  },
  async ({ json, key, prefix, after, previous }, { client, interruption }) => {
    if (key !== undefined && prefix !== undefined) {
      throw new SettingError("KEY and --prefix are given; allowed: one of them");
    }
    const signal = interruption();
    let last: KvEvent | KvProgress | undefined;
    let count = 0;
    try {
      const watch = client.watch({ key, prefix, after, previous, progress: true, signal });
      const begun = () => tell("watching");
      watch.ready().then(begun, () => {});
      for await (const event of watch) {
        if (event.type !== "progress") {
          await printPart(`${json ? eventJson(event) : eventLine(event)}\n`);
          count++;
        }
        last = event;
      }
    } catch (reason) {
      if (isNotRead(reason)) throw reason;
      if (last !== undefined) tell(`to go on from here: --after ${last.token}`);
      if (signal.aborted && reason instanceof KvError) return 0;
      throw brokenOff(keyFailure("watch", "read", reason), count, "change", "printed");
    }
    return 0;
  },
);

function tell(message: string): void {
  process.stderr.write(`kvlab watch: ${message}\n`);
}

function eventJson(event: KvEvent): string {
  const { type, key, revision, previous, token } = event;
  return JSON.stringify({
    type,
    key,
    ...(event.type === "put" && valueJson(event.value)),
    revision,
    previous: previous && previousJson(previous),
    token,
  });
}

/** The value is missing when compaction has removed it. */
function previousJson({ value, revision }: KvPrevious) {
  return { ...(value !== undefined && valueJson(value)), revision };
}

function eventLine(event: KvEvent): string {
  const fields = [event.type, fieldOf(event.key)];
  if (event.type === "put") fields.push(fieldOf(event.value));
  if (event.previous !== undefined) {
    if (event.type !== "put") fields.push("");
    fields.push(fieldOf(event.previous.value ?? ""));
  }
  return fields.join("\t");
}
