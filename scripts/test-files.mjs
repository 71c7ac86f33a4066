import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { root } from "./packages.mjs";
import { runCommand } from "./run-command.mjs";

const FILE_LIMIT_SECONDS = 400;

/** How each runtime runs one test file and writes its JUnit report. */
const runtimes = {
  // By itself Bun gives a hook 5 s, which is not enough to start servers; the others give any time.
  bun: (file, report) => [
    "bun",
    ["test", `./${file}`, "--timeout=120000", "--reporter=junit", `--reporter-outfile=${report}`],
  ],
  node: (file, report) => [
    "node",
    [
      "--test",
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
      file,
    ],
  ],
  // Types have been checked once for all runtimes.
  deno: (file, report) => ["deno", ["test", "-A", "--no-check", `--junit-path=${report}`, file]],
};

export const runtimeNames = Object.keys(runtimes);

/**
 * Node.js keeps here what it makes of each TypeScript file, as Bun and Deno do by themselves in places of their own: a
 * server or `kvlab` then starts in less than half the time. Entries are found by a file's content, so none is ever old.
 */
const compileCache = join(root, "node_modules", ".cache", "node-compile-cache");

/**
 * All test files: `{ file, runtimes, alone }`. What is special about one is said in comments that begin its first
 * lines: `// runtimes: node, bun` when it does not run on all of them; `// alone: why` when no other test file may
 * run at the same time.
 */
export function testFiles() {
  const paths = readdirSync(join(root, "tests"), { recursive: true }).map(String);
  const files = paths.filter((path) => path.endsWith(".test.ts")).sort();
  return files.map((path) => {
    const file = `tests/${path.split(sep).join("/")}`;
    const [head] = readFileSync(join(root, file), "utf8").split(/^(?!\/\/)/m, 1);
    const named = /^\/\/ runtimes: (.+)$/m.exec(head)?.[1].split(/,\s*/) ?? runtimeNames;
    const unknown = named.filter((name) => !runtimeNames.includes(name));
    if (unknown.length > 0) throw new Error(`${file} names unknown runtimes: ${unknown.join(", ")}`);
    return { file, runtimes: named, alone: /^\/\/ alone: /m.test(head) };
  });
}

/** Runs one test file on one runtime: `{ passed, failed, skipped, output, seconds }`. */
export async function runTestFile(runtime, file) {
  const folder = mkdtempSync(join(tmpdir(), "kvlab-test-"));
  try {
    const report = join(folder, "report.xml");
    const [command, args] = runtimes[runtime](file, report);
    const result = await runCommand(command, args, {
      limitSeconds: FILE_LIMIT_SECONDS,
      env: { NODE_COMPILE_CACHE: compileCache },
    });
    const counts = countTests(readReport(report));
    // A crash outside of every test, a time-out, or a file without tests leaves no failed test behind.
    const unseen = counts.failed === 0 && (!result.ok || counts.passed + counts.skipped === 0);
    const output = result.ok && unseen ? `${result.output}\nThe file ran no test.\n` : result.output;
    return { ...counts, failed: unseen ? 1 : counts.failed, output, seconds: result.seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readReport(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Counts the tests of a JUnit report. Deno lists suites among the tests, as `suite` beside `suite > test`. */
function countTests(report) {
  const testcase = /<testcase((?:\s+\w+="[^"]*")*)\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  const cases = [...report.matchAll(testcase)].map(([, attributes, body = ""]) => ({
    name: /\sname="([^"]*)"/.exec(attributes)?.[1] ?? "",
    outcome: /<(?:failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed",
  }));
  const isSuite = ({ name }) => cases.some((other) => other.name.startsWith(`${name} &gt; `));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const each of cases) if (!isSuite(each)) counts[each.outcome]++;
  return counts;
}
