// The page of the client, out of its doc comments.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../run-command.mjs";
import { exportedDeclarations } from "./declarations.mjs";

/** Everything that the client exports, in the order of the page. */
const sections = {
  "The client": ["KvClient", "KvClientOptions", "CallOptions", "BatchOptions"],
  "Values and writes": ["KvValue", "KvEntry", "KvKey", "KvWritten", "KvPlace"],
  "Options of writes": ["PutOptions", "DeleteOptions", "PutCondition", "DeleteCondition"],
  Batches: ["BatchStep", "PutStep", "DeleteStep", "CompareStep"],
  Scans: ["ScanOptions", "Scan"],
  Watches: ["WatchOptions", "Watch", "KvEvent", "KvPutEvent", "KvRemoveEvent", "KvPrevious", "KvProgress"],
  Errors: ["KvError", "KvErrorCode"],
};

const INTRODUCTION = `# The client

\`import { KvClient } from "kvlab"\`, on Bun, Node.js, Deno and in browsers. [examples](../examples) shows how it is used.
`;

/** The page in Markdown. */
export async function clientPage() {
  const folder = mkdtempSync(join(tmpdir(), "kvlab-declarations-"));
  try {
    const options = [
      "--declaration",
      "--emitDeclarationOnly",
      "--stripInternal",
      "--noEmit",
      "false",
      "--noCheck",
    ];
    const result = await runCommand("tsc", [...options, "--rootDir", ".", "--outDir", folder]);
    if (!result.ok) throw new Error(result.output);
    return pageOf(exportedDeclarations(join(folder, "src", "client"), "index.d.ts"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function pageOf(declarations) {
  const shown = Object.values(sections).flat();
  const exported = [...declarations.values()].filter(({ isExported }) => isExported).map(({ name }) => name);
  const missing = [
    ...exported.filter((name) => !shown.includes(name)),
    ...shown.filter((name) => !exported.includes(name)),
  ];
  if (missing.length > 0)
    throw new Error(`scripts/reference/client.mjs and src/client/index.ts differ in ${missing}`);
  const parts = Object.entries(sections).map(([title, names]) =>
    [`## ${title}\n`, ...names.map((name) => section(declarations, declarations.get(name)))].join("\n"),
  );
  return [INTRODUCTION, ...parts].join("\n");
}

function section(declarations, declaration) {
  const { kind, name, doc, heritage, text } = declaration;
  const head = [`### ${name}\n`, ...doc.map((paragraph) => `${paragraph}\n`)];
  if (kind === "type") return [...head, alias(declarations, name, text)].join("\n");
  const bases = heritage.match(/\b[A-Z]\w+/g)?.filter((base) => declarations.get(base)?.isExported) ?? [];
  if (kind === "interface" && bases.length > 0)
    head.push(`In addition to ${bases.map(link).join(" and ")}:\n`);
  // What the language knows: that it can be iterated, or disposed of.
  const known = heritage.match(/\b[A-Z]\w+(?:<\w+>)?/g)?.filter((base) => !declarations.has(base)) ?? [];
  if (known.length > 0) head.push(`It is an ${known.map((base) => `\`${base}\``).join(" and an ")}.\n`);
  const members = membersOf(declarations, declaration);
  const [fields, methods] = [members.filter(isField), members.filter((member) => !isField(member))];
  if (fields.length > 0) {
    const rows = fields.map((field) => fieldRow(declarations, field));
    head.push(`| | type | |\n|---|---|---|\n${rows.join("\n")}\n`);
  } else if (methods.length === 0) {
    head.pop();
    head.push(`All of ${bases.map(link).join(" and ")}.\n`);
  }
  return [...head, ...methods.map((method) => methodSection(name, method))].join("\n");
}

/** Its own, and those that it has from declarations that are not exported; without what nothing is said of. */
function membersOf(declarations, { kind, heritage, members }) {
  const bases = (heritage.match(/\b[A-Z]\w+/g) ?? []).map((base) => declarations.get(base)).filter(Boolean);
  const inherited = bases
    .filter(({ isExported }) => !isExported)
    .flatMap((base) => membersOf(declarations, base));
  const described = members.map((member) => ({ ...member, doc: docOf(member, bases) }));
  return [
    ...inherited,
    ...described.filter((member) => kind === "interface" || member.doc.length > 0 || isField(member)),
  ];
}

function docOf({ name, doc }, bases) {
  if (doc.length > 0) return doc;
  return bases.flatMap(({ members }) => members).find((member) => member.name === name)?.doc ?? [];
}

function isField({ name, signatures: [signature] }) {
  return new RegExp(`^(?:readonly )?${name}\\??(?::| =)`).test(signature);
}

function fieldRow(declarations, { name, doc, signatures: [signature] }) {
  const isOptional = signature.startsWith(`readonly ${name}?`);
  const type = signature
    .replace(/^(?:readonly )?\w+\??(?:: | = )/, "")
    .replace(isOptional ? / \| undefined$/ : "", "");
  return `| \`${name}${isOptional ? "?" : ""}\` | ${linkedType(declarations, type)} | ${doc.join(" ").replaceAll("|", "\\|")} |`;
}

function methodSection(owner, { name, doc, signatures }) {
  const shown = signatures.map((signature) => signature.replace(/^constructor\(/, `new ${owner}(`));
  const title = name === "constructor" ? `new ${owner}` : `${owner}.${name}`;
  return [
    `#### ${title}\n`,
    `\`\`\`ts\n${shown.join("\n")}\n\`\`\`\n`,
    ...doc.map((text) => `${text}\n`),
  ].join("\n");
}

function alias(declarations, name, text) {
  const described = [...text.matchAll(/\/\*\*([\s\S]*?)\*\/\s*\|?\s*("[^"]+")/g)];
  if (described.length === 0) return `\`${name}\` = ${linkedType(declarations, text)}\n`;
  const rows = described.map(
    ([, comment, value]) => `| \`${value.slice(1, -1)}\` | ${comment.replace(/\s*\n *\* ?/g, " ").trim()} |`,
  );
  return `| code | |\n|---|---|\n${rows.join("\n")}\n`;
}

/** A type as code, or as a link when it is described on the page. */
function linkedType(declarations, type) {
  const parts = type
    .split(" | ")
    .map((part) => (declarations.get(part)?.isExported ? link(part) : `\`${part}\``));
  return parts.join(" or ");
}

function link(name) {
  return `[${name}](#${name.toLowerCase()})`;
}
