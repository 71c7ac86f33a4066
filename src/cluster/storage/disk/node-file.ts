import { readSync, writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { DiskFile } from "./disk.ts";
import { ResidentPages } from "./resident-pages.ts";

/** More at once would hold up everything else for longer than another thread costs. */
const nowBytesMax = 64 * 1024;

/** A disk that takes longer to sync may hang. */
const syncMsMax = 100;

/** After a write at once that has taken longer, none is made for a while. */
const writeMsMax = 10;
const pauseMs = 10_000;

/**
 * A file of the machine. A read or write by a thread of the runtime's pool costs some 40 µs of processor time and a
 * change of threads in each direction, ten times as much as one at once. But that holds up the process, if the disk hangs
 * for as long as it hangs. So at once it only writes into the memory of the system, and reads what the system should
 * have there. And it does neither while a sync takes long, after a write has taken long, or while the file is being
 * changed, for which some file systems lock it. On the disks of other machines it never does.
 */
export class NodeFile implements DiskFile {
  readonly #handle: FileHandle;
  readonly #isLocal: boolean;
  readonly #pages = new ResidentPages();
  /** Writes and truncations that are under way. */
  #changing = 0;
  /** When the syncs that are under way began. */
  readonly #syncs = new Set<{ readonly begunMs: number }>();
  /** Until when nothing is written at once. */
  #pausedUntilMs = 0;

  /** `isLocal`: see local-file-systems.ts. */
  constructor(handle: FileHandle, isLocal: boolean) {
    this.#handle = handle;
    this.#isLocal = isLocal;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    if (done > 0) this.#pages.mark(position, done);
    return done;
  }

  readNow(into: Uint8Array, position: number): boolean {
    if (into.length > nowBytesMax || this.#mayHang() || !this.#pages.has(position, into.length)) return false;
    const begunMs = performance.now();
    const bytes = readSync(this.#handle.fd, into, 0, into.length, position);
    this.#pages.took(performance.now() - begunMs);
    return bytes === into.length;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (this.#canWriteNow(bytes.length)) this.#writeNow(bytes, position);
    else await this.#change(() => this.#writeLater(bytes, position));
    if (bytes.length > 0) this.#pages.mark(position, bytes.length);
  }

  #canWriteNow(bytes: number): boolean {
    return bytes <= nowBytesMax && !this.#mayHang() && performance.now() >= this.#pausedUntilMs;
  }

  #writeNow(bytes: Uint8Array, position: number): void {
    const begunMs = performance.now();
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(this.#handle.fd, bytes, done, bytes.length - done, position + done);
    }
    const endMs = performance.now();
    if (endMs - begunMs > writeMsMax) this.#pausedUntilMs = endMs + pauseMs;
  }

  async #writeLater(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  truncate(bytes: number): Promise<void> {
    return this.#change(() => this.#handle.truncate(bytes));
  }

  async datasync(): Promise<void> {
    const sync = { begunMs: performance.now() };
    this.#syncs.add(sync);
    try {
      await this.#handle.datasync();
    } finally {
      this.#syncs.delete(sync);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #change(action: () => Promise<void>): Promise<void> {
    this.#changing++;
    try {
      await action();
    } finally {
      this.#changing--;
    }
  }

  #mayHang(): boolean {
    if (!this.#isLocal || this.#changing > 0) return true;
    for (const { begunMs } of this.#syncs) return performance.now() - begunMs > syncMsMax;
    return false;
  }
}
