import { inChoiceOrder } from "../config/choice-order.js";
import type { InvalidConfig } from "../config/read-config.js";
import type { GatewaySettings, RouteSettings } from "../config/settings.js";

/** What `check` says of a configuration that can be used, for programs: the routes in the order in which they are chosen. */
export const checkDocument = ({ listen, admin, routes, upstreams }: GatewaySettings) => ({
  schema: 1,
  valid: true,
  listen: { host: listen.host, port: listen.port, tls: listen.tls !== undefined },
  admin: admin ?? null,
  routes: inChoiceOrder(routes).map((route) => ({
    name: route.name,
    hosts: route.hosts,
    path: pathOf(route),
    methods: route.methods,
    public: route.public,
    accept: [...route.accept],
    scope: route.scopes,
    action: route.actions,
    policy: route.policy ?? null,
    upstream: upstreams.find(({ name }) => name === route.upstream)?.urls.map(({ origin }) => origin) ?? [],
  })),
});

/** The same of one that cannot: what is wrong, in the order of its text. */
export const problemsDocument = ({ problems }: InvalidConfig) => ({
  schema: 1,
  valid: false,
  problems: problems.map(({ position, path, message }) => ({
    line: position?.line ?? null,
    column: position?.column ?? null,
    path: path ?? "",
    message,
  })),
});

type Column = readonly [title: string, cell: (route: RouteSettings) => string];

const columns: readonly Column[] = [
  ["HOST", ({ hosts }) => hosts.join(" ") || "*"],
  ["PATH", (route) => pathOf(route)],
  ["METHODS", ({ methods }) => methods.join(" ") || "*"],
  ["ACCEPTS", (route) => (route.public ? "everybody" : [...route.accept].join(" "))],
  ["REQUIRES", (route) => requirementsOf(route) || "-"],
  ["UPSTREAM", ({ upstream }) => upstream ?? "-"],
];

/** The same for people: a table. */
export function checkTable({ routes }: GatewaySettings): string {
  const rows = [columns.map(([title]) => title)];
  for (const route of inChoiceOrder(routes)) rows.push(columns.map(([, cell]) => cell(route)));
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, index) => cell.padEnd((widths[index] ?? 0) + 2)).join(""));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

const requirementsOf = ({ scopes, actions, policy }: RouteSettings): string =>
  [
    ...scopes,
    ...(actions.length > 0 ? [`action ${actions.join("|")}`] : []),
    ...(policy === undefined ? [] : [`policy ${policy}`]),
  ].join(", ");

/** As configured, decoded. */
const pathOf = ({ path, below }: RouteSettings): string => `${path}${below ? "/*" : path === "" ? "/" : ""}`;
