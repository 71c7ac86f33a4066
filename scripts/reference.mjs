// Writes the pages of the reference, docs/api.md and docs/client.md, from the comments of what they describe.
// An argument names another folder to write them to.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./packages.mjs";
import { clientPage } from "./reference/client.mjs";
import { schemaPage } from "./reference/schema.mjs";

const NOTE = "<!-- Made by `npm run generate`: change the comments that it is made from. -->\n\n";

const folder = process.argv[2] ?? join(root, "docs");
mkdirSync(folder, { recursive: true });
for (const [name, page] of [
  ["api.md", await schemaPage()],
  ["client.md", await clientPage()],
]) {
  writeFileSync(join(folder, name), `${NOTE}${page.trimEnd()}\n`);
}
