import type { StateEvent } from "../state-event.js";
import type { Database, Work } from "./tables.js";

/** More than a person changes at a time; the rest comes with the next question. */
const mostAtOnce = 1000;

export async function writeStateEvents(work: Work, events: readonly StateEvent[]): Promise<void> {
  for (const { id, time, ...event } of events)
    await work
      .insertInto("state_events")
      .values({ id, at: Math.round(time * 1000), event: JSON.stringify(event) })
      .execute();
}

/** The oldest first. */
export async function readStateEvents(database: Database): Promise<readonly StateEvent[]> {
  const rows = await database
    .selectFrom("state_events")
    .selectAll()
    .orderBy("at")
    .limit(mostAtOnce)
    .execute();
  return rows.map(({ id, at, event }) => ({ ...JSON.parse(event), id, time: at / 1000 }) as StateEvent);
}

export async function deleteStateEvent(database: Database, id: string): Promise<void> {
  await database.deleteFrom("state_events").where("id", "=", id).execute();
}
