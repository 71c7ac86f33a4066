/**
 * A line buffer for standard output. It writes many lines at once, because a system call for each is many times slower.
 */
export interface LineOutput {
  /** Resolves at once, or when a full buffer has been written. */
  add(line: string): Promise<void>;
  /** Writes what is left. */
  flush(): Promise<void>;
}

const pieceCharsMax = 64 * 1024;

export function bufferLines(write: (piece: string) => Promise<unknown>): LineOutput {
  let piece = "";
  const flush = async () => {
    if (piece === "") return;
    const full = piece;
    piece = "";
    await write(full);
  };
  return {
    async add(line) {
      piece += `${line}\n`;
      if (piece.length >= pieceCharsMax) await flush();
    },
    flush,
  };
}
