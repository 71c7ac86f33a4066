import { readFile } from "node:fs/promises";
import { print } from "../../settings/run-main.ts";
import { command } from "../command.ts";

/** What is printed. scripts/build-binary.mjs puts it into the executable, which has no files beside it. */
declare const KVLAB_LICENSES: string;

const licenseFiles = ["LICENSE", "THIRD-PARTY-NOTICES.md", "proto/grpc/LICENSE"];

export const licensesCommand = command(
  {
    command: "kvlab licenses",
    summary: "Prints the licence of kvlab, and those of what it contains of others.",
    settings: {},
  },
  async () => {
    await print(typeof KVLAB_LICENSES === "string" ? KVLAB_LICENSES : await readLicenses());
    return 0;
  },
);

async function readLicenses(): Promise<string> {
  const root = new URL("../../../", import.meta.url);
  const texts = await Promise.all(licenseFiles.map((name) => readFile(new URL(name, root), "utf8")));
  return texts.join("\n");
}
