/** `next build` loads every route: on a machine that has no identity yet, and to answer nobody. */
export function unlessBuilding<T>(create: () => T): () => T {
  const building = globalThis.process?.env?.["NEXT_PHASE"] === "phase-production-build";
  let created = building ? undefined : create();
  return () => {
    created ??= create();
    return created;
  };
}
