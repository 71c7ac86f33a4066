// node scripts/import-tests.mjs FILE...: runs test files one after another in this process, on Node.js.
//
// `node --test` would start a process more, and with `--test-isolation=none` it would forgive a file that throws outside
// of its tests.
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
