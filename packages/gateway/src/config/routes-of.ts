import { normalizeHost } from "@authmesh/core";
import { formatProblem } from "@authmesh/oath/document";
import { findAlike } from "./alike-routes.js";
import { defaults } from "./defaults.js";
import type { GatewayConfig, ProofName, RouteConfig } from "./gateway-config.js";
import { policyPath } from "./policy-path.js";
import type { RouteSettings } from "./settings.js";
import type { Report, Surroundings } from "./settings-of.js";
import { originProblem } from "./texts.js";
import { isUrl } from "./upstreams-of.js";

/** The routes, and what is wrong with them beside their form. */
export function routesOf(config: GatewayConfig, scene: Surroundings, report: Report): RouteSettings[] {
  const routes = config.routes.map((route) => settingsOf(route, config, scene));
  for (const [index, route] of config.routes.entries()) {
    const settings = routes[index] as RouteSettings;
    const reportRoute: Report = (at, message) => report(["routes", index, ...at], message);
    checkUpstream(route, config, scene, reportRoute);
    for (const { member, message, is } of misfits)
      if (is(route, settings, config)) reportRoute([member], message);
  }
  for (const { index, as, what } of findAlike(routes)) {
    const other = formatProblem({ at: ["routes", as], message: "" }).trim();
    report(["routes", index], `would be chosen for the same requests as ${other}: ${what}.`);
  }
  return routes;
}

function settingsOf(route: RouteConfig, config: GatewayConfig, { folder }: Surroundings): RouteSettings {
  const { limits = {}, timeouts = {}, context = defaults.route.context } = route;
  const below = route.path.endsWith("/*");
  const time = { ...defaults.route.timeouts, ...timeouts };
  return {
    name: route.name ?? route.path,
    hosts: listed(route.hosts).map((host) => normalizeHost(host) ?? host),
    path: decodeURIComponent(route.path.replace(/\/\*?$/, "")).normalize("NFKC"),
    below,
    caseSensitive: config.caseSensitive ?? defaults.caseSensitive,
    methods: listed(route.methods),
    accept: new Set(
      route.public ? [] : route.accept === undefined ? configured(config) : listed(route.accept),
    ),
    public: route.public ?? defaults.route.public,
    scopes: listed(route.scope),
    actions: listed(route.action),
    policy: route.policy && policyPath(route.policy, folder),
    upstream: route.upstream,
    stripPrefix: route.stripPrefix ?? "",
    forwardProof: route.forwardProof ?? defaults.route.forwardProof,
    contextHeaders: listed(context).includes("headers"),
    contextToken: listed(context).includes("token"),
    webSocket: route.webSocket ?? defaults.route.webSocket,
    ...{ ...defaults.route.limits, ...limits },
    bodyTimeoutMs: time.bodySeconds * 1000,
    answerTimeoutMs: time.answerSeconds * 1000,
    idleTimeoutMs: time.idleSeconds * 1000,
  };
}

const listed = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : ([value].flat() as T[]);

const configured = ({ tokens }: GatewayConfig): readonly ProofName[] =>
  tokens === undefined ? ["device", "http-signature"] : ["device", "http-signature", "token"];

function checkUpstream(
  { upstream }: RouteConfig,
  { upstreams = {} }: GatewayConfig,
  { role }: Surroundings,
  report: Report,
): void {
  if (upstream === undefined) {
    if (role === "proxy")
      report([], "lacks the member upstream. Only `gateway authz` does without: `check --authz`.");
  } else if (isUrl(upstream)) {
    const problem =
      URL.canParse(upstream) && /^https?:/.test(upstream) ? originProblem(upstream) : "is no URL.";
    if (problem !== undefined) report(["upstream"], problem);
  } else if (!Object.hasOwn(upstreams, upstream)) {
    const known = Object.keys(upstreams);
    const there = known.length === 0 ? "There are none." : `There are: ${known.join(", ")}.`;
    report(["upstream"], `is no upstream: ${upstream}. ${there}`);
  }
}

interface Misfit {
  readonly member: keyof RouteConfig;
  readonly message: string;
  readonly is: (route: RouteConfig, settings: RouteSettings, config: GatewayConfig) => boolean;
}

const ofVerified = ["accept", "scope", "action", "policy"] as const;

/** Members of a route that contradict others. */
const misfits: readonly Misfit[] = [
  ...ofVerified.map(
    (member): Misfit => ({
      member,
      message: "means nothing on a route that is public: nothing is verified there.",
      is: (route) => route.public === true && route[member] !== undefined,
    }),
  ),
  {
    member: "accept",
    message: "names token, and no tokens are configured: give `tokens` with issuers, audience and policy.",
    is: ({ accept }, _, { tokens }) => listed(accept).includes("token") && tokens === undefined,
  },
  ...(["action", "policy"] as const).map(
    (member): Misfit => ({
      member,
      message: "is asked of tokens alone, and this route accepts none.",
      is: (route, { accept }) => route[member] !== undefined && !route.public && !accept.has("token"),
    }),
  ),
  {
    member: "scope",
    message: 'asks for what nobody is granted: it is NAME:r or NAME:w, such as "orders:r".',
    is: (_, { scopes }) => scopes.some((scope) => !/^[^:]+:[rw]$/.test(scope)),
  },
  {
    member: "limits",
    message: "lets in bodies above spoolBytes, where they wait to be verified.",
    is: ({ limits }, _, { spoolBytes = defaults.spoolBytes }) => (limits?.bodyBytes ?? 0) > spoolBytes,
  },
  {
    member: "webSocket",
    message: "needs the method GET, which `methods` lacks.",
    is: ({ webSocket }, { methods }) => webSocket === true && methods.length > 0 && !methods.includes("GET"),
  },
  {
    member: "methods",
    message: "names a method that is never read: CONNECT, TRACE, TRACK.",
    is: (_, { methods }) => methods.some((method) => ["CONNECT", "TRACE", "TRACK"].includes(method)),
  },
  {
    member: "stripPrefix",
    message: "is not what the route's path begins with.",
    is: ({ stripPrefix, path }) =>
      stripPrefix !== undefined && !`${path.replace(/\/\*$/, "")}/`.startsWith(`${stripPrefix}/`),
  },
];
