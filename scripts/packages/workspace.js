/** The packages that are published, and the one lockfile that says what they stand on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {{
 *   name: string, version: string, license: string, description?: string, keywords?: string[], homepage?: string, bugs?: string,
 *   repository?: { type: string, url: string, directory: string }, publishConfig?: { access: string, provenance: boolean },
 *   exports: Record<string, string | Record<string, unknown>>, imports?: Record<string, Record<string, unknown>>,
 *   bin?: Record<string, string>, files: string[], scripts?: Record<string, string>, engines?: { node: string },
 *   dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>, peerDependenciesMeta?: Record<string, { optional: boolean }>,
 * }} Manifest
 *
 * @typedef {{
 *   version: string, license?: string, integrity?: string, link?: boolean, resolved?: string, optional?: boolean,
 *   hasInstallScript?: boolean, dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>,
 * }} Locked a package in package-lock.json
 *
 * @typedef {{ folder: string, manifest: Manifest }} Package `folder` is relative to the repository
 */

/** @param {string} path @returns {any} */
export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Every package after those that it depends on, as the compiler builds them. @param {string} repository @returns {Package[]} */
export const packagesOf = (repository) =>
  readJson(join(repository, "tsconfig.build.json")).references.map(
    (/** @type {{ path: string }} */ { path }) => ({
      folder: path,
      manifest: readJson(join(repository, path, "package.json")),
    }),
  );

/**
 * What is installed with a package, wherever that is: its dependencies, the optional ones for every processor, and theirs;
 * not its peers, which their user chooses.
 *
 * @typedef {Locked & { name: string, needs: string[] }} Installed `needs`: the places of what it depends on
 *
 * @param {Package} of
 * @param {Record<string, Locked>} lock the `packages` of package-lock.json
 * @returns {{ direct: string[], all: Map<string, Installed> }} by place in node_modules
 */
export function installedWith({ folder, manifest }, lock) {
  /** @type {Map<string, Installed>} */
  const all = new Map();
  /** @param {string} place where it is required @param {Package["manifest"] | Locked} from @returns {string[]} places of what it needs */
  const follow = (place, from) =>
    Object.keys({ ...from.dependencies, ...from.optionalDependencies }).map((name) => {
      const at = placeOf(name, place, lock);
      const locked = lock[at];
      const target = locked.link ? lock[`${locked.resolved}`] : locked;
      if (all.has(at)) return at;
      const entry = { ...target, name, needs: /** @type {string[]} */ ([]) };
      all.set(at, entry);
      entry.needs = follow(locked.link ? `${locked.resolved}` : at, target);
      return at;
    });
  const direct = follow(folder, manifest);
  return { direct, all: new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** As Node.js looks for it: beside, then one folder up. @param {string} name @param {string} from @param {Record<string, Locked>} lock */
function placeOf(name, from, lock) {
  for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf("/")))) {
    const candidate = place === "" ? `node_modules/${name}` : `${place}/node_modules/${name}`;
    if (candidate in lock) return candidate;
    if (place === "") throw new Error(`package-lock.json has no ${name} for ${from}`);
  }
}
