import type { DiskFile } from "../disk/disk.ts";
import { recordBytesMax } from "../format/record.ts";
import { extendChecksum } from "../format/running-checksum.ts";
import { unsyncedBytesMax } from "../rewrite/beside-calls.ts";

/**
 * An index file is a line and frames. A frame is its kind (1 byte), the length of its content (4 bytes, the lowest
 * first), the content, and the CRC-32 of all of the file before it (4 bytes): so no frame can be missing, or stand
 * elsewhere, or be of another file. See docs/log-format.md.
 */
const firstLine = Buffer.from("!kvlab-index 2\n");

/** In the order in which they stand; the first and the last come once. */
export const frameKinds = { begin: 1, offsets: 2, requests: 3, keys: 4, end: 5 } as const;

export interface Frame {
  readonly kind: number;
  readonly content: Buffer;
}

const headBytes = 5;
const sumBytes = 4;

/** Writes a file of frames, which must be empty. */
export class FrameWriter {
  readonly #file: DiskFile;
  #bytes = 0;
  #syncedBytes = 0;
  #checksum = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** What has been written. */
  get bytes(): number {
    return this.#bytes;
  }

  async add(kind: keyof typeof frameKinds, content: Uint8Array): Promise<void> {
    const head = Buffer.alloc(headBytes);
    head[0] = frameKinds[kind];
    head.writeUInt32LE(content.length, 1);
    const sum = Buffer.alloc(sumBytes);
    const frame = Buffer.concat([this.#bytes === 0 ? firstLine : Buffer.alloc(0), head, content, sum]);
    const checksum = extendChecksum(this.#checksum, frame.subarray(0, -sumBytes));
    frame.writeUInt32LE(checksum, frame.length - sumBytes);
    this.#checksum = extendChecksum(checksum, frame.subarray(-sumBytes));
    await this.#file.write(frame, this.#bytes);
    this.#bytes += frame.length;
    if (this.#bytes - this.#syncedBytes > unsyncedBytesMax) await this.sync();
  }

  async sync(): Promise<void> {
    this.#syncedBytes = this.#bytes;
    await this.#file.datasync();
  }
}

/** Reads frames one after another, each checked. Valid until the next is asked for. Errors: IndexFileError. */
export async function* readFrames(file: DiskFile): AsyncGenerator<Frame, void, void> {
  const fileBytes = await file.size();
  let position = 0;
  let checksum = 0;
  let buffer = Buffer.alloc(0);
  const read = async (bytes: number): Promise<Buffer> => {
    if (buffer.length < bytes) buffer = Buffer.allocUnsafe(bytes);
    const part = buffer.subarray(0, bytes);
    if ((await file.read(part, position)) < bytes) throw new IndexFileError("it has become shorter");
    position += bytes;
    return part;
  };
  const start = await read(Math.min(firstLine.length, fileBytes));
  if (!start.equals(firstLine))
    throw new IndexFileError("it does not begin as an index file of this version");
  checksum = extendChecksum(checksum, start);
  while (position < fileBytes) {
    const head = await read(Math.min(headBytes, fileBytes - position));
    const kind = head[0] ?? 0;
    const length = head.length < headBytes ? recordBytesMax : head.readUInt32LE(1);
    if (length > fileBytes - position - sumBytes) throw new IndexFileError("it ends within a frame");
    checksum = extendChecksum(checksum, head);
    const rest = await read(length + sumBytes);
    const content = rest.subarray(0, length);
    checksum = extendChecksum(checksum, content);
    if (rest.readUInt32LE(length) !== checksum) throw new IndexFileError("a checksum does not match");
    checksum = extendChecksum(checksum, rest.subarray(length));
    yield { kind, content };
  }
}

/** Why an index file is of no use. */
export class IndexFileError extends Error {
  override readonly name = "IndexFileError";
}
