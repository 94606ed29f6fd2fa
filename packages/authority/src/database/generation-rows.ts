import type { Area, Work } from "./tables.js";

/** Raises an area's generation, which holds off every other writer of the area until the transaction ends. */
export async function raiseGeneration(work: Work, area: Area): Promise<number> {
  const { value } = await work
    .updateTable("generations")
    .set((row) => ({ value: row("value", "+", 1) }))
    .where("area", "=", area)
    .returning("value")
    .executeTakeFirstOrThrow();
  return value;
}
