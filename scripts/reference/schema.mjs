// The page of the services, out of the comments of the schema.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../run-command.mjs";

/** Files of the schema, in the order of the page. */
const serviceFiles = ["data", "router", "admin"].map(pathOf);
const detailFile = pathOf("errors");
const otherFiles = [pathOf("topology")];

const INTRODUCTION = `# Services

Every server speaks gRPC, gRPC-Web and Connect on one port. The schema is in [proto/kvlab/v1](../proto/kvlab/v1).
Servers also offer it through reflection (\`grpc.reflection.v1\`), and health checks (\`grpc.health.v1\`). For TypeScript
there is a [client](client.md), which follows redirects, retries calls safely, and resumes streams.
`;

/** The status codes of gRPC that comments name. */
const STATUS =
  /\b(?:INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|UNAVAILABLE|UNKNOWN|ABORTED|OUT_OF_RANGE|RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED)\b/g;

/** The page in Markdown. */
export async function schemaPage() {
  const files = await describedFiles();
  const messages = new Map();
  const enums = new Map();
  for (const file of files.values()) {
    for (const message of file.messages) messages.set(message.name, message);
    for (const each of file.enums) enums.set(each.name, each);
  }
  const page = { messages, enums, written: new Set() };
  const services = serviceFiles.flatMap((path) => files.get(path).services);
  return [
    INTRODUCTION,
    ...services.map((service) => serviceSection(page, service)),
    "## Error details\n\nTyped messages that come with an error and say more than its code.\n",
    ...files.get(detailFile).messages.map((message) => messageSection(page, message)),
    "## Other messages\n",
    ...[...serviceFiles, ...otherFiles].flatMap((path) => {
      const { messages: left, enums: all } = files.get(path);
      return [
        ...left.filter(({ name }) => !page.written.has(name)).map((message) => messageSection(page, message)),
        ...all.map((each) => enumSection(page, each)),
      ];
    }),
  ].join("\n");
}

function pathOf(name) {
  return `kvlab/v1/${name}.proto`;
}

/** What the descriptors of our files say, by path, with the comments where they belong. */
async function describedFiles() {
  const folder = mkdtempSync(join(tmpdir(), "kvlab-schema-"));
  try {
    const image = join(folder, "image.json");
    const { ok, output } = await runCommand("buf", ["build", "-o", image, "--path", "proto/kvlab/v1"]);
    if (!ok) throw new Error(output);
    const files = JSON.parse(readFileSync(image, "utf8")).file.filter(({ name }) =>
      name.startsWith("kvlab/"),
    );
    return new Map(files.map((file) => [file.name, describe(file)]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Numbers are those of the fields of google/protobuf/descriptor.proto, which make up the paths of comments. */
function describe(file) {
  const comments = new Map(
    file.sourceCodeInfo.location.map(({ path = [], leadingComments = "" }) => [
      path.join(),
      paragraphs(leadingComments),
    ]),
  );
  const comment = (...path) => comments.get(path.join()) ?? [];
  return {
    services: (file.service ?? []).map((service, s) => ({
      ...service,
      comment: comment(6, s),
      methods: service.method.map((method, m) => ({ ...method, comment: comment(6, s, 2, m) })),
    })),
    messages: (file.messageType ?? []).map((message, m) => ({
      ...message,
      comment: comment(4, m),
      fields: (message.field ?? []).map((field, f) => ({ ...field, comment: comment(4, m, 2, f) })),
      oneofs: (message.oneofDecl ?? []).map((oneof, o) => ({ ...oneof, comment: comment(4, m, 8, o) })),
    })),
    enums: (file.enumType ?? []).map((each, e) => ({
      ...each,
      comment: comment(5, e),
      values: each.value.map((value, v) => ({ ...value, comment: comment(5, e, 2, v) })),
    })),
  };
}

/** Paragraphs of a comment, each in one line; what is said of errors is one of its own. */
function paragraphs(comment) {
  return comment
    .split(/\n\s*\n|\n(?=\s*Errors)/)
    .map((text) => text.replace(/\s+/g, " ").trim())
    .filter((text) => text !== "");
}

function serviceSection(page, { name, comment, methods }) {
  return [
    `## ${name}\n`,
    ...prose(page, comment),
    ...methods.map((method) => methodSection(page, name, method)),
  ].join("\n");
}

function methodSection(page, service, method) {
  const stream = (isStream) => (isStream ? "stream " : "");
  const input = shortName(method.inputType);
  const output = shortName(method.outputType);
  const signature = `rpc ${method.name}(${stream(method.clientStreaming)}${input}) returns (${stream(method.serverStreaming)}${output})`;
  return [
    `### ${service}/${method.name}\n`,
    `\`\`\`proto\n${signature}\n\`\`\`\n`,
    ...prose(page, method.comment),
    ...[input, output].map((name) => messageSection(page, page.messages.get(name))),
  ].join("\n");
}

function messageSection(page, { name, comment, fields, oneofs }) {
  page.written.add(name);
  const rows = fields.flatMap((field) => {
    const isOfOneof = field.oneofIndex !== undefined && !field.proto3Optional;
    const oneof = isOfOneof ? oneofs[field.oneofIndex] : undefined;
    const isFirst =
      oneof !== undefined && fields.find((each) => each.oneofIndex === field.oneofIndex) === field;
    const dash = oneof === undefined ? "" : "– ";
    return [
      ...(isFirst ? [row(page, `one of *${oneof.name}*`, "", oneof.comment)] : []),
      row(page, `${dash}\`${field.name}\``, typeOf(page, field), field.comment),
    ];
  });
  const table =
    rows.length === 0 ? ["It has no fields.\n"] : [`| field | type | |\n|---|---|---|\n${rows.join("\n")}\n`];
  return [`#### ${name}\n`, ...prose(page, comment), ...table].join("\n");
}

function enumSection(page, { name, comment, values }) {
  const rows = values.map((value) =>
    row(page, `\`${value.name}\``, String(value.number ?? 0), value.comment),
  );
  return [
    `#### ${name}\n`,
    ...prose(page, comment),
    `| value | number | |\n|---|---|---|\n${rows.join("\n")}\n`,
  ].join("\n");
}

function row(page, name, type, comment) {
  return `| ${name} | ${type} | ${comment.map((text) => marked(page, text)).join(" ")} |`;
}

function typeOf(page, { type, typeName, label, proto3Optional }) {
  const name = typeName === undefined ? type.slice("TYPE_".length).toLowerCase() : shortName(typeName);
  const linked = page.messages.has(name) || page.enums.has(name) ? link(name) : `\`${name}\``;
  if (label === "LABEL_REPEATED") return `repeated ${linked}`;
  return proto3Optional ? `optional ${linked}` : linked;
}

function shortName(typeName) {
  return typeName.replace(/^\.(?:kvlab\.v1\.)?/, "");
}

function link(name) {
  return `[${name}](#${name.toLowerCase()})`;
}

function prose(page, comment) {
  return comment.map((text) => `${marked(page, text).replace(/^Errors[^:]*:/, "**$&**")}\n`);
}

/** Codes as code, and messages as links to where they are described. */
function marked({ messages }, text) {
  return text
    .replace(STATUS, "`$&`")
    .replace(/\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b/g, (word) => (messages.has(word) ? link(word) : word))
    .replaceAll("|", "\\|");
}
