import { type AuditEventFields, newDecisionId } from "@authmesh/core";

/**
 * What the audit is to be told of a change of the shared state. It is written with the change, and the first replica
 * that sees it tells its audit; where two do, it is one event by its id.
 */
export interface StateEvent extends Pick<AuditEventFields, "type" | "data"> {
  readonly id: string;
  /** Unix seconds, with fractions. */
  readonly time: number;
  readonly subject?: string;
}

/** What an area finds worth telling: the rest is the same for all. */
export type StateChange = Omit<StateEvent, "id" | "time">;

/** @param time Unix seconds */
export const stateEvent = (change: StateChange, time: number): StateEvent => ({
  ...change,
  id: newDecisionId(),
  time,
});
