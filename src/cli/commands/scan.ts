import { KvEntry } from "../../client/index.ts";
import { printPart } from "../../settings/run-main.ts";
import { number, optional, text, toggle } from "../../settings/setting.ts";
import { keyCommand } from "../command.ts";
import { brokenOff, told } from "../key-failure.ts";
import { keyFlag } from "../key-settings.ts";
import { bufferLines } from "../output.ts";
import { jsonSetting } from "../router-settings.ts";
import { entryJson, fieldOf } from "../value-forms.ts";

export const scanCommand = keyCommand(
  {
    command: "kvlab scan",
    summary:
      "Prints keys and their values, in the order of the keys' bytes: a key, a tab and its value in each line. Backslashes, tabs, line ends and other control characters are escaped (\\\\ \\t \\n \\r \\u{1b}), bytes that are not UTF-8 are \\xHH. With --json, a line of JSON for each key has its text or base64, revision and ttlLeftMs.",
    settings: {
      prefix: optional(
        text({
          meaning: "Only keys that begin with this.",
          placeholder: "PREFIX",
          source: "operand",
          allowed: "any text",
          accepts: () => true,
        }),
      ),
      start: keyFlag("Only keys from this one on.", "KEY"),
      end: keyFlag("Only keys before this one.", "KEY"),
      after: keyFlag(
        "Only keys that come, in the order of the scan, after this one: to go on after the last key of an earlier scan.",
        "KEY",
      ),
      limit: optional(
        number({
          meaning: "Keys to print at most.",
          placeholder: "COUNT",
          source: "flag",
          min: 1,
          max: Number.MAX_SAFE_INTEGER,
        }),
      ),
      reverse: toggle("From the last key to the first."),
      "keys-only": toggle("Without values."),
      json: jsonSetting,
    },
    examples: [
      "kvlab scan user:",
      "kvlab scan --start a --end n --limit 100",
      "kvlab scan user: --after user:7 --limit 100",
      "kvlab scan user: --keys-only | wc -l",
      "kvlab scan user: --json | jq -r .text",
    ],
  },
  async ({ "keys-only": keysOnly, json, ...options }, { client, signal }) => {
    const { prefix, start, end, after, limit, reverse } = options;
    const given = { prefix, start, end, after, limit, reverse, signal };
    const lines = bufferLines(printPart);
    let count = 0;
    const scan = async () => {
      for await (const entry of keysOnly ? client.scan({ ...given, keysOnly }) : client.scan(given)) {
        const line = () =>
          entry instanceof KvEntry ? `${fieldOf(entry.key)}\t${fieldOf(entry.value)}` : fieldOf(entry.key);
        await lines.add(json ? entryJson(entry) : line());
        count++;
      }
    };
    try {
      await told("scan", "read", scan());
    } catch (reason) {
      throw brokenOff(reason, count, "key", "printed");
    } finally {
      await lines.flush();
    }
    return 0;
  },
);
