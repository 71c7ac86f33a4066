import type { BatchStep } from "../../client/index.ts";
import { batchOperationsMax } from "../../common/key-limits.ts";
import { NOT_ALLOWED } from "../../settings/exit-codes.ts";
import { ExitError, print } from "../../settings/run-main.ts";
import { keyCommand } from "../command.ts";
import { told } from "../key-failure.ts";
import { jsonSetting } from "../router-settings.ts";
import { fileOperand, nameOf, openInput } from "../transfer/files.ts";
import { conditionFields, textField, ttlField, valueFields } from "../transfer/json-fields.ts";
import { BadLine, parseObject, readLines } from "../transfer/json-lines.ts";

const fieldsAllowed = [
  "compare",
  "put",
  "delete",
  "text",
  "base64",
  "ttlMs",
  "ifRevision",
  "ifAbsent",
  "ifPresent",
];

export const batchCommand = keyCommand(
  {
    command: "kvlab batch",
    summary:
      "Carries out compares, puts and deletes as one step: all of it is done, or nothing, with exit code 4 when a condition does not hold. They are lines of JSON, at most 1,000, for keys of one group, which share a {tag}.",
    settings: {
      file: fileOperand("File with the lines; - or nothing for standard input."),
      json: jsonSetting,
    },
    examples: [
      `printf '%s\\n' '{"compare":"{acct}:a","ifRevision":7}' '{"put":"{acct}:a","text":"90"}' '{"delete":"{acct}:hold"}' | kvlab batch`,
      `echo '{"put":"{job}:1","base64":"/wA=","ttlMs":60000,"ifAbsent":true}' | kvlab batch -`,
      "kvlab batch transfer.jsonl --json",
    ],
  },
  async ({ file, json }, { client, signal }) => {
    const steps = await readSteps(file);
    const { revision } = await told(`batch of ${steps.length}`, "write", client.batch(steps, { signal }));
    await print(
      json ? `${JSON.stringify({ steps: steps.length, revision })}\n` : `ok, revision ${revision}\n`,
    );
    return 0;
  },
);

/** Errors: ExitError, which names the line. */
async function readSteps(file: string): Promise<BatchStep[]> {
  const steps: BatchStep[] = [];
  const { source } = await openInput(file);
  let number = 1;
  try {
    for await (const lines of readLines(source)) {
      for (const line of lines) {
        ({ number } = line);
        const fields = parseObject(line, fieldsAllowed);
        if (fields) steps.push(stepOf(fields));
        if (steps.length > batchOperationsMax)
          throw new BadLine(`a batch has at most ${batchOperationsMax} steps`);
      }
      number++;
    }
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    throw new ExitError(NOT_ALLOWED, `batch: line ${number} of ${nameOf(file)}: ${error.message}`);
  }
  return steps;
}

function stepOf(fields: Readonly<Record<string, unknown>>): BatchStep {
  const kinds = ["compare", "put", "delete"].filter((kind) => fields[kind] !== undefined);
  const [kind] = kinds;
  if (kinds.length !== 1 || kind === undefined) {
    const given = kinds.length === 0 ? "it says not what to do" : `${kinds.join(" and ")} are given`;
    throw new BadLine(`${given}; allowed: one of compare, put and delete`);
  }
  const key = textField(fields, kind);
  const condition = conditionFields(fields);
  if (kind === "put") return { put: key, value: valueFields(fields), ttlMs: ttlField(fields), ...condition };
  const foreign = ["text", "base64", "ttlMs"].find((name) => fields[name] !== undefined);
  if (foreign !== undefined) throw new BadLine(`${foreign} is given for a ${kind}; allowed: for a put`);
  if (kind === "compare") {
    if (condition) return { compare: key, ...condition };
    throw new BadLine("the compare has no condition; allowed: one of ifRevision, ifPresent, ifAbsent");
  }
  if (condition?.ifAbsent) throw new BadLine("ifAbsent is given for a delete; allowed: for compare and put");
  return { delete: key, ifRevision: condition?.ifRevision, ifPresent: condition?.ifPresent };
}
