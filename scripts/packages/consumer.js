/** A project that has the packed packages and their peers installed, and uses all of them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../run.js";
import { output } from "./program.js";
import { subpathsOf } from "./tarball-rules.js";
import { readJson } from "./workspace.js";

/** What the READMEs use beside the peers. */
const companions = ["express", "@types/express", "@types/node"];

/** A careful user's, with the declarations of every package checked too. */
const compilerOptions = {
  target: "ES2023",
  lib: ["ES2023", "DOM", "DOM.Iterable"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
};
const resolutions = {
  node16: { module: "node16", moduleResolution: "node16" },
  bundler: { module: "preserve", moduleResolution: "bundler", resolveJsonModule: true },
};

/**
 * @param {string} folder empty @param {import("./pack.js").Packed[]} packed @param {string} registry an argument of npm
 * @returns {Promise<string>} what was installed, in words @throws Error when something of it would run at install
 */
export async function installConsumer(folder, packed, registry) {
  const lock = readJson(join(root, "package-lock.json")).packages;
  const peers = packed.flatMap(({ manifest }) => Object.keys(manifest.peerDependencies ?? {}));
  const others = [...new Set([...peers, ...companions])].filter(
    (name) => !name.startsWith("@authmesh/") && !lock[`node_modules/${name}`].hasInstallScript,
  );
  const wanted = [
    ...packed.map(({ name, manifest }) => `${name}@${manifest.version}`),
    ...others.map((name) => `${name}@${lock[`node_modules/${name}`].version}`),
  ];
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await output("npm", ["install", "--prefer-offline", registry, ...wanted], { cwd: folder });
  const installed = Object.entries(readJson(join(folder, "package-lock.json")).packages);
  const running = installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([place]) => place);
  if (running.length > 0) throw new Error(`These run at install: ${running.join(" ")}`);
  return `${installed.length - 1} packages, none runs anything`;
}

/** @param {string} folder of the project @param {import("./pack.js").Packed[]} packed @param {keyof typeof resolutions} resolution */
export async function compileConsumer(folder, packed, resolution) {
  const modules = packed.flatMap(({ manifest }) => codeOf(manifest));
  const documents = packed
    .flatMap(({ manifest }) => subpathsOf(manifest))
    .filter((path) => path.endsWith(".json"));
  const file = (/** @type {string} */ name, /** @type {string[]} */ lines) =>
    writeFileSync(join(folder, name), `${lines.join("\n")}\nexport {};\n`);
  file(
    "modules.ts",
    modules.map((path, i) => `import * as m${i} from "${path}";\nvoid m${i};`),
  );
  // With node16 a JSON module cannot be imported yet.
  const json = resolution === "bundler" ? documents : [];
  file(
    "documents.ts",
    json.map((path, i) => `import d${i} from "${path}";\nvoid d${i};`),
  );
  for (const { name, manifest } of packed)
    for (const [i, snippet] of snippetsOf(join(folder, "node_modules", name, "README.md")).entries())
      file(`${manifest.repository?.directory.split("/").at(-1)}-readme-${i + 1}.ts`, [snippet]);
  const settings = { compilerOptions: { ...compilerOptions, ...resolutions[resolution] }, include: ["*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  await output(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder]);
  return `${modules.length + json.length} subpaths and the READMEs`;
}

/** `import` and `require` have to give the same. @param {string} folder of the project @param {import("./pack.js").Packed[]} packed */
export async function runConsumer(folder, packed) {
  const modules = packed.flatMap(({ manifest }) => codeOf(manifest));
  writeFileSync(
    join(folder, "run.js"),
    `import { deepEqual, notDeepEqual } from "node:assert/strict";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const namesOf = (module) => Object.keys(module).filter((name) => name !== "module.exports" && name !== "__esModule");
for (const path of ${JSON.stringify(modules)}) {
  const names = namesOf(await import(path));
  notDeepEqual(names, [], path);
  deepEqual(namesOf(require(path)), names, path);
}
`,
  );
  await output(process.execPath, ["run.js"], { cwd: folder });
  return `${modules.length} subpaths`;
}

const codeOf = (/** @type {import("./workspace.js").Manifest} */ manifest) =>
  subpathsOf(manifest).filter((path) => !path.endsWith(".json"));

const snippetsOf = (/** @type {string} */ readme) =>
  [...readFileSync(readme, "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => `${code}`);
