import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { REFUSED } from "../../settings/exit-codes.ts";
import { ExitError, print } from "../../settings/run-main.ts";
import { number, text, toggle } from "../../settings/setting.ts";
import { routerCommand } from "../command.ts";
import { type Consent, lossOf } from "../data-loss.ts";
import { jsonSetting } from "../router-settings.ts";

const group = text({
  meaning: "The group.",
  placeholder: "GROUP",
  source: "operand",
  allowed: "the name of a group",
});

export const transferCommand = routerCommand(
  {
    command: "kvlab transfer",
    summary:
      "Makes an in-sync standby the primary of its group. No write is lost: writes that arrive meanwhile wait for the new primary.",
    settings: {
      group,
      number: number({
        meaning: "Number of the standby, as `kvlab status` shows it.",
        placeholder: "NUMBER",
        source: "operand",
        min: 1,
        max: 2 ** 32 - 1,
      }),
      json: jsonSetting,
    },
    examples: ["kvlab transfer zdata1 2"],
  },
  async ({ group, number, json }, { ask }) => {
    const { epoch } = await ask({
      what: `transfer ${group} ${number}`,
      kind: "write",
      call: ({ admin }, options) => admin.transfer({ group, number }, options),
    });
    await print(
      json
        ? `${JSON.stringify({ group, number, epoch: Number(epoch) })}\n`
        : `node ${number} is primary of ${group}, epoch ${epoch}\n`,
    );
    return 0;
  },
);

export const recoverCommand = routerCommand(
  {
    command: "kvlab recover",
    summary:
      "Makes the best remaining replica primary when all in-sync replicas of a group are lost for good. Says what is lost, and asks before it continues.",
    settings: {
      group,
      "accept-data-loss": toggle(
        "Do it. Without this flag it only says what would be lost, with exit code 4.",
      ),
      yes: toggle("Do not ask."),
      json: jsonSetting,
    },
    examples: ["kvlab recover zdata1", "kvlab recover zdata1 --accept-data-loss"],
  },
  async ({ group, "accept-data-loss": acceptDataLoss, yes, json }, { ask }) => {
    const recover = (consent: Consent) =>
      ask({
        what: `recover ${group}`,
        kind: "write",
        call: ({ admin }, options) => admin.recover({ group, ...consent }, options),
      });
    // Accepted is the loss that was told, and no other: the request may arrive when the group has gone on and was lost again.
    const told = acceptDataLoss ? await lossOf(recover({})) : undefined;
    if (told !== undefined && !yes) await confirm(group, told.words);
    const { number, epoch, loss } = await recover(told?.consent ?? {});
    await print(
      json
        ? `${JSON.stringify({ group, number, epoch: Number(epoch), loss })}\n`
        : `node ${number} is primary of ${group}, epoch ${epoch}: ${loss}\n`,
    );
    return 0;
  },
);

/** Goes on only if a person types the group's name. */
async function confirm(group: string, loss: string): Promise<void> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const asked = `Acknowledged writes of group ${group} may be lost: ${loss}.\nType its name to go on: `;
    // Where nobody types, the input ends, and the question would wait for ever.
    const typed = await Promise.race([reader.question(asked), once(reader, "close").then(() => "")]);
    if (typed.trim() !== group)
      throw new ExitError(REFUSED, `recover ${group}: not confirmed, nothing was done`);
  } finally {
    reader.close();
  }
}
