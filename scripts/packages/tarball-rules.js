/** What a package that is published must be, and must not hold. Each rule returns what is wrong, in words. */
import { readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../run.js";

/** @typedef {import("./pack.js").Packed} Packed */

/** All that a package may hold; a test, a source, a map and the notes of the compiler are none of it. */
const allowed = [
  /^(?:package\.json|README\.md|LICENSE)$/,
  /^dist\/[\w/-]+\.(?:js|d\.ts)$/,
  /^bin\/[\w-]+\.js$/,
  /^schema\/[\w-]+\.json$/,
  /^secure-enclave\/(?:README\.md|build\.sh|Sources\/\w+\.swift)$/,
];
const required = ["package.json", "README.md", "LICENSE"];

const escaped = (/** @type {string} */ text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
/** What tells of the machine that built it, or names where a user is to get packages from. */
const leaks = new RegExp(
  [
    ...[root, homedir(), join(tmpdir(), "amesh-")].map(escaped),
    String.raw`(?<![\w.~-])/(?:home|Users|builds|runner)/\w`,
    "registry\\.(?:npmjs|yarnpkg)\\.",
    "sourceMappingURL",
  ].join("|"),
);

/** @param {Packed} packed @param {string} folder where it is unpacked @returns {string[]} */
export function contentProblems({ files }, folder) {
  const paths = files.map(({ path }) => path);
  const licence = readFileSync(join(root, "LICENSE"), "utf8");
  const text = (/** @type {string} */ path) => readFileSync(join(folder, path), "utf8");
  return [
    ...required.filter((path) => !paths.includes(path)).map((path) => `${path} is missing`),
    ...paths
      .filter((path) => !allowed.some((rule) => rule.test(path)))
      .map((path) => `${path} does not belong there`),
    ...(text("LICENSE") === licence ? [] : ["LICENSE is not the repository's"]),
    ...paths.flatMap((path) => {
      const found = leaks.exec(text(path));
      return found === null ? [] : [`${path} holds ${JSON.stringify(found[0])}`];
    }),
    ...files
      .filter(({ path, mode }) => mode !== (text(path).startsWith("#!") ? 0o755 : 0o644))
      .map(({ path, mode }) => `${path} has the mode ${mode.toString(8)}`),
  ];
}

/**
 * @param {Packed} packed @param {string} directory the package's folder in the repository
 * @param {{ version: string, engines: { node: string }, license: string }} repository its package.json
 * @returns {string[]}
 */
export function manifestProblems({ manifest, files }, directory, repository) {
  const present = new Set(files.map(({ path }) => `./${path}`));
  const wanted = {
    version: repository.version,
    license: repository.license,
    engines: repository.engines,
    publishConfig: { access: "public", provenance: true },
    scripts: undefined,
  };
  const needed = Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const ours = [...needed, ...Object.entries(manifest.peerDependencies ?? {})].filter(([name]) =>
    name.startsWith("@authmesh/"),
  );
  return [
    ...Object.entries(wanted)
      .filter(
        ([key, value]) =>
          JSON.stringify(manifest[/** @type {keyof typeof manifest} */ (key)]) !== JSON.stringify(value),
      )
      .map(([key, value]) => `${key} is not ${JSON.stringify(value)}`),
    ...["description", "homepage", "bugs"]
      .filter((key) => !(key in manifest))
      .map((key) => `${key} is missing`),
    ...(manifest.keywords?.length ? [] : ["keywords are missing"]),
    ...(manifest.repository?.directory === directory ? [] : ["repository names another folder"]),
    ...needed
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
      .map(([name, version]) => `${name}@${version} is no exact version`),
    ...ours
      .filter(([, version]) => version !== repository.version)
      .map(([name, version]) => `${name}@${version} is another release`),
    ...targetsOf(manifest)
      .flatMap((path) => [path, ...(path.startsWith("./dist/") ? [declarationsOf(path)] : [])])
      .filter((path) => !present.has(path))
      .map((path) => `${path} is named and missing`),
  ];
}

/** The files that a manifest leads to. @param {Packed["manifest"]} manifest @returns {string[]} */
const targetsOf = ({ exports, imports, bin }) => {
  const leaves = (/** @type {unknown} */ value) =>
    typeof value === "string" ? [value] : Object.values(value ?? {}).flatMap(leaves);
  return [...new Set(leaves([exports, imports, bin]))];
};

const declarationsOf = (/** @type {string} */ path) => path.replace(/(?<!\.d)\.js$/, ".d.ts");

/** What users import of it: "@authmesh/core", "@authmesh/core/records", … @param {Packed["manifest"]} manifest */
export const subpathsOf = ({ name, exports }) => Object.keys(exports).map((key) => `${name}${key.slice(1)}`);
