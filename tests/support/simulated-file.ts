type Change = { readonly position: number; readonly bytes: Buffer } | { readonly length: number };

const sectorBytes = 512;

/** The content of a file on a simulated disk, synced and not, whatever its names are. */
export class Inode {
  readonly id: string;
  #now: Buffer = Buffer.alloc(0);
  #nowLength = 0;
  #synced: Buffer = Buffer.alloc(0);
  #syncedLength = 0;
  #changes: Change[] = [];

  constructor(id: string) {
    this.id = id;
  }

  get bytes(): Buffer {
    return this.#now.subarray(0, this.#nowLength);
  }

  write(change: Change): void {
    this.#changes.push(change);
    [this.#now, this.#nowLength] = changed(this.#now, this.#nowLength, change);
  }

  sync(): void {
    for (const change of this.#changes) {
      [this.#synced, this.#syncedLength] = changed(this.#synced, this.#syncedLength, change);
    }
    this.#changes = [];
  }

  /** What has been written is shown, but will not be on the disk by any later sync. */
  giveUp(): void {
    this.#changes = [];
  }

  crash(keep: () => number): void {
    const changes = this.#changes;
    this.#changes = [];
    /** What the machine's memory had after the change. */
    let [memory, memoryLength]: [Buffer, number] = [Buffer.from(this.#synced), this.#syncedLength];
    const keepPart = (from: number, to: number) => {
      // Sectors reach the disk whole, with all that was written to them before.
      const position = from - (from % sectorBytes);
      const kept = { position, bytes: memory.subarray(position, to) };
      [this.#synced, this.#syncedLength] = changed(this.#synced, this.#syncedLength, kept);
    };
    for (const change of changes) {
      [memory, memoryLength] = changed(memory, memoryLength, change);
      const share = keep();
      if ("length" in change) {
        if (share === 1)
          [this.#synced, this.#syncedLength] = changed(this.#synced, this.#syncedLength, change);
      } else if (share > 0) {
        const { position, bytes } = change;
        const end = position + bytes.length;
        if (share === 1 || keep() < 0.5) {
          keepPart(position, position + Math.floor(share * bytes.length));
          continue;
        }
        // The file has grown, and some sectors of it have never been written.
        const length = Math.max(this.#syncedLength, end);
        [this.#synced, this.#syncedLength] = changed(this.#synced, this.#syncedLength, { length });
        for (let from = position; from < end; from += sectorBytes - (from % sectorBytes)) {
          if (keep() < share) keepPart(from, Math.min(end, from - (from % sectorBytes) + sectorBytes));
        }
      }
    }
    this.#now = Buffer.from(this.#synced);
    this.#nowLength = this.#syncedLength;
  }

  flip(offset: number, mask: number): void {
    this.sync();
    for (const bytes of [this.#now, this.#synced]) bytes[offset] = (bytes[offset] ?? 0) ^ mask;
  }
}

/** Carries out a change in a buffer that may be longer than what it holds. What nobody has written is zero. */
function changed(buffer: Buffer, length: number, change: Change): [Buffer, number] {
  const end = "length" in change ? change.length : change.position + change.bytes.length;
  let target = buffer;
  if (end > buffer.length) {
    target = Buffer.alloc(Math.max(end, buffer.length * 2));
    buffer.copy(target, 0, 0, length);
  }
  if ("length" in change) {
    target.fill(0, end);
    return [target, end];
  }
  target.set(change.bytes, change.position);
  return [target, Math.max(length, end)];
}
