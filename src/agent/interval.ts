/** The usual time between two writes of an agent, and the shortest that is allowed. */
export const defaultIntervalMs = 5000;
export const intervalMsMin = 1000;
