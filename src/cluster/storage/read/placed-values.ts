import type { StoredValue } from "../key-view.ts";
import type { LogFile } from "../log-file.ts";
import { type PlacedValue, storedIn } from "./placed-value.ts";

/** Entries no further apart are read together: to read so much costs less than another call of the system. */
const gapBytesMax = 8 * 1024;

/** Of entries that are read together. */
const togetherBytesMax = 256 * 1024;

/** Reads at the same time. They cost less than one after another, but what is written meanwhile waits behind them. */
const readsMax = 32;

/** A value to read, and which of the wanted ones it is. */
interface Wanted {
  readonly place: PlacedValue;
  readonly index: number;
}

/** Entries that are read together. */
interface Stretch {
  readonly file: LogFile;
  readonly offset: number;
  end: number;
  readonly wanted: Wanted[];
}

/**
 * Reads values where they stand, and returns them in the order of the places. Takes memory for their entries, and for
 * gaps of 8 KiB at most between these. `dbfile` is for errors. Errors: LogStoreError `damaged`.
 */
export async function readAllPlaced(places: readonly PlacedValue[], dbfile: string): Promise<StoredValue[]> {
  const values = new Array<StoredValue>(places.length);
  const take = ({ offset, wanted }: Stretch, bytes: Buffer) => {
    for (const { place, index } of wanted) {
      const start = place.offset - offset;
      values[index] = storedIn(bytes.subarray(start, start + place.bytes), place, dbfile);
    }
  };
  const waiting: Stretch[] = [];
  for (const stretch of stretchesOf(places)) {
    const buffer = Buffer.allocUnsafe(stretch.end - stretch.offset);
    if (stretch.file.file.readNow?.(buffer, stretch.offset)) take(stretch, buffer);
    else waiting.push(stretch);
  }
  for (let from = 0; from < waiting.length; from += readsMax) {
    const some = waiting.slice(from, from + readsMax);
    await Promise.all(some.map(async (stretch) => take(stretch, await readStretch(stretch))));
  }
  return values;
}

function stretchesOf(places: readonly PlacedValue[]): Stretch[] {
  const sorted = places.map((place, index) => ({ place, index }));
  sorted.sort((a, b) => a.place.offset - b.place.offset);
  const stretches: Stretch[] = [];
  /** A scan reads of more than one file when the log was compacted meanwhile. */
  const last = new Map<LogFile, Stretch>();
  for (const wanted of sorted) {
    const { file, offset, bytes } = wanted.place;
    const end = offset + bytes;
    const before = last.get(file);
    if (
      before !== undefined &&
      offset - before.end <= gapBytesMax &&
      end - before.offset <= togetherBytesMax
    ) {
      before.end = end;
      before.wanted.push(wanted);
    } else {
      const stretch = { file, offset, end, wanted: [wanted] };
      last.set(file, stretch);
      stretches.push(stretch);
    }
  }
  return stretches;
}

async function readStretch({ file, offset, end }: Stretch): Promise<Buffer> {
  file.use();
  try {
    const buffer = Buffer.allocUnsafe(end - offset);
    return buffer.subarray(0, await file.file.read(buffer, offset));
  } finally {
    await file.release();
  }
}
