// A script for Deno that says what is in a cluster: keys and bytes by the part of the key before its first slash.
//
//   npm start                                   (in another terminal)
//   npx deno run --allow-net --allow-env examples/deno-script.ts
//   npx deno run --allow-net --allow-env examples/deno-script.ts jobs/
//
// With an argument, only of the keys that begin with it. A scan brings key after key, however many there are.

import process from "node:process";
import { KvClient } from "kvlab";

const client = new KvClient({ routers: (process.env.KVLAB_ROUTERS ?? "127.0.0.1:1926").split(",") });
const prefix = process.argv[2] ?? "";
const folders = new Map<string, { keys: number; bytes: number }>();
const total = { keys: 0, bytes: 0 };

for await (const entry of client.scan({ prefix })) {
  const folder = entry.key.slice(0, entry.key.indexOf("/", prefix.length) + 1);
  const sum = folders.get(folder) ?? { keys: 0, bytes: 0 };
  folders.set(folder, sum);
  for (const each of [sum, total]) {
    each.keys++;
    each.bytes += entry.bytes().length;
  }
}
client.close();

for (const [folder, sum] of folders) print(folder || "(others)", sum);
print("in all", total);

function print(what: string, { keys, bytes }: typeof total): void {
  console.log(`${what.padEnd(24)} ${String(keys).padStart(10)} keys ${String(bytes).padStart(14)} bytes`);
}
