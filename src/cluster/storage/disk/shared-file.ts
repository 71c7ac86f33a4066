import type { DiskFile } from "./disk.ts";

/** An open file that is closed when the last of its users has gone. It begins with one user: the store. */
export class SharedFile {
  readonly file: DiskFile;
  #users = 1;

  constructor(file: DiskFile) {
    this.file = file;
  }

  use(): void {
    this.#users++;
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await this.file.close();
  }
}
