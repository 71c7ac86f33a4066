import { CoordinationError } from "../../coordination/coordination.ts";
import { retryOnConnectionLoss, type Task } from "./retry-on-connection-loss.ts";

/** A part of what is read from the znodes. */
export interface Refresher<T> {
  /** As last read; undefined before. */
  readonly value: T | undefined;
  /** Has it read again. */
  touch(): void;
}

/**
 * Reads by `read`, over lost connections too, whenever the part is touched: one read at a time, and one more if it was
 * touched meanwhile, however often. `onRead` is told after each. Ends with the session.
 */
export function createRefresher<T>(
  task: Pick<Task, "session" | "clock" | "signal">,
  read: () => Promise<T>,
  onRead: (part: Refresher<T>) => void,
): Refresher<T> {
  let value: T | undefined;
  let isTouched = false;
  let isReading = false;

  const run = async () => {
    isReading = true;
    try {
      while (isTouched && !task.signal.aborted) {
        isTouched = false;
        value = await retryOnConnectionLoss(task, read);
        onRead(part);
      }
    } catch (error) {
      if (!task.signal.aborted && !CoordinationError.is(error, "SESSION_EXPIRED", "CLOSED")) throw error;
    } finally {
      isReading = false;
    }
  };
  const part: Refresher<T> = {
    get value() {
      return value;
    },
    touch() {
      isTouched = true;
      if (!isReading) void run();
    },
  };
  return part;
}
