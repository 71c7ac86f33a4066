import { SettingError } from "../settings/read-settings.ts";
import { duration, number, optional, type Setting, text, toggle } from "../settings/setting.ts";

const anyText = { allowed: "any text", accepts: () => true };

/** The key of a command. */
export const keySetting = text({
  meaning: "The key, at most 4 KiB of UTF-8. After -- it may begin with a dash.",
  placeholder: "KEY",
  source: "operand",
  ...anyText,
});

/** A flag for a key, or for a part of one. */
export function keyFlag(meaning: string, placeholder: string): Setting<string | undefined> {
  return optional(text({ meaning, placeholder, source: "flag", ...anyText }));
}

/** The value of a put. */
export const valueSetting = text({
  meaning: "The value, put as text; or - for the bytes of standard input.",
  placeholder: "VALUE",
  source: "operand",
  ...anyText,
});

export const ttlSetting = optional(
  duration({
    meaning: "Time to live, as 500ms, 30s, 5m, 2h or 7d. Without it, the key does not expire.",
    placeholder: "TIME",
    source: "flag",
  }),
);

/** Conditions of a delete. */
export const deleteConditions = {
  "if-revision": optional(
    number({
      meaning: "Only if the key has this revision. Otherwise exit code 4, and nothing is done.",
      placeholder: "REVISION",
      source: "flag",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
    }),
  ),
  "if-present": toggle("Only if the key exists. Otherwise exit code 4, and nothing is done."),
};

/** Conditions of a put. */
export const putConditions = {
  ...deleteConditions,
  "if-absent": toggle("Only if the key does not exist. Otherwise exit code 4, and nothing is done."),
};

/** The condition that the flags state. Errors: SettingError (more than one). */
export function conditionOf(flags: {
  readonly "if-revision": number | undefined;
  readonly "if-present": boolean;
  readonly "if-absent"?: boolean;
}) {
  const { "if-revision": ifRevision, "if-present": ifPresent, "if-absent": ifAbsent = false } = flags;
  const given = Object.entries({
    "if-revision": ifRevision !== undefined,
    "if-present": ifPresent,
    "if-absent": ifAbsent,
  })
    .filter(([, isGiven]) => isGiven)
    .map(([name]) => `--${name}`);
  if (given.length > 1) throw new SettingError(`${given.join(" and ")} are given; allowed: one condition`);
  return { ifRevision, ifPresent, ifAbsent };
}
