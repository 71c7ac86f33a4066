/**
 * Begins now what a test is to run, beside the others of its file: for tests that mostly wait, each with servers of its
 * own. The test itself waits for the end.
 */
export function atOnce(run: () => Promise<void>): () => Promise<void> {
  const ended = run();
  // Until the test comes, nobody handles it.
  ended.catch(() => {});
  return () => ended;
}
