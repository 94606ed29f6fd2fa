import type { JsonObject, JsonValue } from "@authmesh/core";
import type { Problem } from "@authmesh/oath/document";

/** Stand for what cannot be read, so that nothing else is found wrong because of it. */
const standIns: Readonly<Record<string, JsonValue>> = {
  version: 1,
  listen: { port: 0 },
  redis: { url: "redis://127.0.0.1" },
  tokens: { issuers: "https://issuer.invalid", audience: "unread", policy: "none" },
};
const upstream = { urls: "http://127.0.0.1" };

/**
 * A configuration with stand-ins for what is of the wrong shape, so that the rest of it can be checked too; undefined where too
 * much is.
 */
export function readablePart(config: JsonValue, problems: readonly Problem[]): JsonObject | undefined {
  if (typeof config !== "object" || config === null || Array.isArray(config)) return undefined;
  const members: Record<string, JsonValue> = {
    routes: [],
    ...standInsOf("version"),
    ...(config as JsonObject),
  };
  for (const {
    at: [member, item],
  } of problems) {
    if (typeof member !== "string") continue;
    const value = members[member];
    if (member === "routes")
      members[member] = Array.isArray(value)
        ? value.map((route, index) =>
            index === item ? { path: `/unread/${index}`, public: true, upstream: upstream.urls } : route,
          )
        : [];
    else if (member === "upstreams") {
      if (item === undefined) return undefined;
      members[member] = { ...(value as JsonObject), [item]: upstream };
    } else {
      delete members[member];
      Object.assign(members, standInsOf(member));
    }
  }
  return members;
}

const standInsOf = (member: string): Readonly<Record<string, JsonValue>> => {
  const standIn = Object.hasOwn(standIns, member) ? standIns[member] : undefined;
  return standIn === undefined ? {} : { [member]: standIn };
};
