/** Lines on their way out: many go in one piece, since a system call for each would make it many times slower. */
export interface LineOutput {
  /** Resolves at once, or when a full piece has been handed on. */
  add(line: string): Promise<void>;
  /** Hands on what is left. */
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
