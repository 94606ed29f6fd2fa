import type { RouteSettings } from "./settings.js";

/** Routes in the order in which they are asked whether a request is theirs (docs/protocol.md, section 14.2). */
export const inChoiceOrder = (routes: readonly RouteSettings[]): readonly RouteSettings[] =>
  routes.toSorted((a, b) => {
    for (const rank of ranks) {
      const difference = rank(a) - rank(b);
      if (difference !== 0) return difference;
    }
    return 0;
  });

/** Exact before longer before shorter; a named host before none; named methods before none. */
const ranks: readonly ((route: RouteSettings) => number)[] = [
  ({ below }) => (below ? 1 : 0),
  ({ path }) => -path.length,
  ({ hosts }) => (hosts.length > 0 ? 0 : 1),
  ({ methods }) => (methods.length > 0 ? 0 : 1),
];
