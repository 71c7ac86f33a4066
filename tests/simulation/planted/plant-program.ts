import process from "node:process";
import { editedFiles } from "./plant.ts";

/** Of Bun's loader: what it makes of the files whose paths fit comes from here. */
interface Loader {
  onLoad(
    files: { filter: RegExp },
    load: (file: { path: string }) => { contents: string; loader: "ts" },
  ): void;
}

declare const Bun: { plugin(plugin: { name: string; setup(loader: Loader): void }): void };

/** Loaded by Bun before a program that is to run with the edits in PLANTED_EDITS: the files stay as they are. */
const files = editedFiles(JSON.parse(process.env.PLANTED_EDITS ?? "[]"));
Bun.plugin({
  name: "planted bug",
  setup(loader) {
    for (const [path, contents] of files) {
      const filter = new RegExp(`^${path.replace(/[^\w/-]/g, "\\$&")}$`);
      loader.onLoad({ filter }, () => ({ contents, loader: "ts" }));
    }
  },
});
