import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RouteSettings } from "../src/config/settings.js";
import { RouteTable } from "../src/inbound/routes.js";
import { routeOf } from "./fixtures/settings.js";

const exact = (path: string, more: Partial<RouteSettings> = {}) =>
  routeOf({ name: path, path, below: false, ...more });
const below = (path: string, more: Partial<RouteSettings> = {}) =>
  routeOf({ name: `${path}/*`, path, below: true, ...more });
const find = (
  routes: readonly RouteSettings[],
  path: string,
  { host = "a.example", method = "GET" } = {},
) => {
  const found = new RouteTable(routes).find(host, path, method);
  return found?.route?.name ?? found?.allow;
};

describe("a route is chosen", () => {
  it("by its exact path before a longer prefix before a shorter one", () => {
    const routes = [below(""), below("/api"), below("/api/orders"), exact("/api/orders")];
    expect(find(routes, "/api/orders")).toBe("/api/orders");
    expect(find(routes, "/api/orders/7")).toBe("/api/orders/*");
    expect(find(routes, "/api")).toBe("/api/*");
    expect(find(routes, "/apis")).toBe("/*");
    expect(find(routes, "/")).toBe("/*");
  });

  it("by a named host before none, and by named methods before none", () => {
    const routes = [
      below("", { name: "any" }),
      below("", { name: "posts", methods: ["POST"] }),
      below("", { name: "host", hosts: ["a.example"], methods: ["GET"] }),
    ];
    expect(find(routes, "/x")).toBe("host");
    expect(find(routes, "/x", { host: "b.example" })).toBe("any");
    expect(find(routes, "/x", { method: "POST" })).toBe("posts");
  });

  it("whatever the case and the port of the host", () => {
    const routes = [below("", { name: "host", hosts: ["a.example", "[::1]"] })];
    expect(find(routes, "/x", { host: "A.Example:8088" })).toBe("host");
    expect(find(routes, "/x", { host: "a.example." })).toBe("host");
    expect(find(routes, "/x", { host: "[::1]:8088" })).toBe("host");
    expect(find(routes, "/x", { host: "b.example" })).toBeUndefined();
    expect(find(routes, "/x", { host: "" })).toBeUndefined();
  });

  it("whatever the case of the path, its Unicode form, and a slash at its end", () => {
    const routes = [exact("/admin"), below("/münchen"), below("/straße")];
    expect(find(routes, "/Admin/")).toBe("/admin");
    expect(find(routes, "/M%C3%9CNCHEN/x")).toBe("/münchen/*");
    expect(find(routes, "/mu%CC%88nchen")).toBe("/münchen/*");
    expect(find(routes, "/STRASSE")).toBe("/straße/*");
    expect(find(routes, "/%EF%BD%81dmin")).toBe("/admin");
  });

  it("with regard to case where it says so", () => {
    const routes = [exact("/admin", { caseSensitive: true }), below("/Api", { caseSensitive: true })];
    expect(find(routes, "/admin/")).toBe("/admin");
    expect(find(routes, "/Admin")).toBeUndefined();
    expect(find(routes, "/Api/x")).toBe("/Api/*");
    expect(find(routes, "/api/x")).toBeUndefined();
  });

  it("never from a shorter path than the most specific one that is for the host", () => {
    const routes = [below("", { public: true }), exact("/admin", { methods: ["PUT", "GET"] })];
    expect(find(routes, "/admin", { method: "DELETE" })).toEqual(["GET", "PUT"]);
    const other = [below(""), exact("/admin", { hosts: ["b.example"] })];
    expect(find(other, "/admin")).toBe("/*");
  });
});

describe("the table", () => {
  /** The same rules, one route after the other. */
  function naive(routes: readonly RouteSettings[], host: string, path: string, method: string) {
    const fold = (text: string) => text.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
    const asked = decodeURIComponent(path).normalize("NFC").replace(/\/$/, "");
    const fits = (route: RouteSettings) => {
      const same = route.caseSensitive ? (text: string) => text : fold;
      const [own, its] = [same(route.path), same(asked)];
      const onPath = its === own || (route.below && its.startsWith(`${own}/`));
      return onPath && (route.hosts.length === 0 || route.hosts.includes(host));
    };
    const weight = ({ below: isBelow, path: own }: RouteSettings) => (isBelow ? own.length : Infinity);
    const fitting = routes.filter(fits);
    const most = Math.max(...fitting.map(weight));
    const level = fitting
      .filter((route) => weight(route) === most)
      .sort(
        (a, b) =>
          Number(b.hosts.length > 0) - Number(a.hosts.length > 0) ||
          Number(b.methods.length > 0) - Number(a.methods.length > 0),
      );
    const route = level.find(({ methods }) => methods.length === 0 || methods.includes(method));
    if (route !== undefined) return { route };
    if (level.length === 0) return undefined;
    return { allow: [...new Set(level.flatMap(({ methods }) => methods))].sort() };
  }

  it("agrees with looking at one route after the other", () => {
    const segment = fc.constantFrom("a", "B", "b", "%C3%BC", "c c");
    const path = fc.array(segment, { maxLength: 3 }).map((parts) => parts.map((part) => `/${part}`).join(""));
    const route = fc
      .record({
        path: path.map((text) => decodeURIComponent(text)),
        below: fc.boolean(),
        hosts: fc.constantFrom([], ["a.example"], ["b.example"]),
        methods: fc.constantFrom([], ["GET"], ["POST", "PUT"]),
        caseSensitive: fc.constantFrom(false, false, true),
      })
      .map((given) => routeOf(given));
    const asked = path.map((text) => encodeURI(decodeURIComponent(text)) || "/");
    fc.assert(
      fc.property(
        fc.array(route, { maxLength: 12 }),
        fc.constantFrom("a.example", "b.example", "c.example"),
        asked,
        fc.constantFrom("GET", "POST", "DELETE"),
        (routes, host, target, method) => {
          expect(new RouteTable(routes).find(host, target, method)).toEqual(
            naive(routes, host, target, method),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it("finds one of a thousand routes without looking at the others", () => {
    const routes = Array.from({ length: 1000 }, (_, i) => below(`/service-${i}/api`));
    const table = new RouteTable(routes);
    const started = performance.now();
    for (let i = 0; i < 20_000; i++) table.find("a.example", `/service-${i % 1000}/api/orders/7`, "GET");
    // One route after the other takes seconds.
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("a public route", () => {
  it("is not chosen by other letters that fold to its own, while one that protects is", () => {
    const open = below("/assets", { public: true });
    expect(find([open, below("")], "/Assets/x")).toBe("/assets/*");
    expect(find([open, below("")], "/a%C3%9Fets/x")).toBe("/*");
    expect(find([open], "/a%C3%9Fets/x")).toBeUndefined();
    expect(find([below("/assets"), below("", { public: true })], "/a%C3%9Fets/x")).toBe("/assets/*");
    expect(find([below("/\u00c4", { public: true })], "/%C3%A4/x")).toBe("/\u00c4/*");
  });
});
