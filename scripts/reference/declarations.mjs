// What a module exports, out of the declarations that the compiler writes.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The exports of a module of nothing but re-exports: a Map from the name to
 * `{ kind, heritage, doc, members, text }`, with everything else in the same files that they build on, by `isExported`.
 */
export function exportedDeclarations(folder, entry) {
  const index = readFileSync(join(folder, entry), "utf8");
  const found = new Map();
  for (const [, names, file] of index.matchAll(/export (?:type )?\{([^}]*)\} from "\.\/(.+)\.ts";/g)) {
    const wanted = names.split(",").map((name) => name.replace("type ", "").trim());
    for (const declaration of declarationsOf(readFileSync(join(folder, `${file}.d.ts`), "utf8"))) {
      const isExported = wanted.includes(declaration.name);
      if (isExported || !found.has(declaration.name))
        found.set(declaration.name, { ...declaration, isExported });
    }
  }
  return found;
}

function declarationsOf(text) {
  return statementsOf(text).flatMap(({ doc, text: statement }) => {
    const head =
      /^(?:export )?(?:declare )?(interface|class|type) (\w+)(?:<\w+>)?(?: = ?|((?: (?:extends|implements) [^{]+)?)\s*\{)([\s\S]*)$/.exec(
        statement,
      );
    if (head === null) return [];
    const [, kind, name, heritage = "", rest] = head;
    if (kind === "type")
      return [{ kind, name, doc, heritage: "", members: [], text: rest.replace(/;$/, "").trim() }];
    return [
      { kind, name, doc, heritage: heritage.trim(), members: membersOf(rest.replace(/\}$/, "")), text: "" },
    ];
  });
}

/** Members by name, in their order; overloads are several signatures of one member. */
function membersOf(body) {
  const members = [];
  for (const { doc, text } of statementsOf(body)) {
    const signature = text.replace(/;$/, "").replace(/\s+/g, " ").trim();
    const name = /^(?:static |readonly )*([\w#]+|\[[^\]]+\])/.exec(signature)?.[1] ?? "";
    const last = members.at(-1);
    if (last?.name === name) last.signatures.push(signature);
    else members.push({ name, doc, signatures: [signature] });
  }
  return members.filter(({ name }) => !name.startsWith("#"));
}

/** The statements or members of a text, each with the doc comment before it. */
function statementsOf(text) {
  const statements = [];
  let rest = text.trim();
  while (rest !== "") {
    const comment = /^\/\*\*([\s\S]*?)\*\/\s*/.exec(rest);
    const body = comment === null ? rest : rest.slice(comment[0].length);
    const end = endOfStatement(body);
    statements.push({ doc: paragraphsOf(comment?.[1] ?? ""), text: body.slice(0, end) });
    rest = body.slice(end).trim();
  }
  return statements;
}

/** Where the first statement ends: at its semicolon, or with the brace that closes it. */
function endOfStatement(text) {
  const tokens = /\/\*[\s\S]*?\*\/|"[^"]*"|[({[\]})]|;/g;
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if ("({[".includes(token)) depth++;
    else if (")}]".includes(token)) depth--;
    const closes = token === "}" && /^(?:export )?(?:declare )?(?:interface|class) /.test(text);
    if (depth === 0 && (token === ";" || closes)) return index + 1;
  }
  return text.length;
}

/** The paragraphs of a doc comment, each in one line. */
function paragraphsOf(comment) {
  return comment
    .replace(/^ *\* ?/gm, "")
    .split(/\n\s*\n/)
    .map((text) => text.replace(/\s+/g, " ").trim())
    .filter((text) => text !== "");
}
