/** The page cache of the system works in such pages, or larger ones. */
const pageBits = 12;
const pagesOfWord = 32;
const wordsOfChunk = 1024;

/** A read that finds its page takes a few microseconds. Where reads take so long on average, pages are gone. */
const averageMsMax = 0.1;
/** A single read counts little, for the system may have given a turn to another process meanwhile. */
const weight = 1 / 64;
const countedMsMax = 1;

/**
 * The pages of a file that this process has read or written, so that the system most likely has them in memory. It says
 * nothing of that: so they are forgotten when reads of them turn out to be slow. A bit for each page: 4 KiB for a log of
 * 128 MiB.
 */
export class ResidentPages {
  #chunks: (Uint32Array | undefined)[] = [];
  #averageMs = 0;

  /** These bytes have been read or written. */
  mark(position: number, bytes: number): void {
    for (let page = pageAt(position); page <= pageAt(position + bytes - 1); page++) {
      const word = Math.floor(page / pagesOfWord);
      const at = Math.floor(word / wordsOfChunk);
      while (this.#chunks.length <= at) this.#chunks.push(undefined);
      const chunk = this.#chunks[at] ?? new Uint32Array(wordsOfChunk);
      this.#chunks[at] = chunk;
      const index = word % wordsOfChunk;
      chunk[index] = (chunk[index] ?? 0) | (1 << (page % pagesOfWord));
    }
  }

  /** Whether all pages of these bytes are known. */
  has(position: number, bytes: number): boolean {
    for (let page = pageAt(position); page <= pageAt(position + bytes - 1); page++) {
      const word = Math.floor(page / pagesOfWord);
      const bits = this.#chunks[Math.floor(word / wordsOfChunk)]?.[word % wordsOfChunk] ?? 0;
      if ((bits & (1 << (page % pagesOfWord))) === 0) return false;
    }
    return true;
  }

  /** A read of known pages has taken so long. */
  took(ms: number): void {
    this.#averageMs += (Math.min(ms, countedMsMax) - this.#averageMs) * weight;
    if (this.#averageMs <= averageMsMax) return;
    this.#chunks = [];
    this.#averageMs = 0;
  }
}

function pageAt(position: number): number {
  return Math.floor(position / (1 << pageBits));
}
