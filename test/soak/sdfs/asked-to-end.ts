/** Ctrl-C in the middle of a run: what it started is taken down in good order. A second one ends it at once. */
export function askedToEnd(): AbortSignal {
  const asked = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      process.stdout.write("ending after what is under way\n");
      asked.abort();
    });
  return asked.signal;
}
