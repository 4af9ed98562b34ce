/** Mutants that nothing kills yet, and what is missing: each is a check or a fault to add. */
export const waiting: Readonly<Record<string, string>> = {};
