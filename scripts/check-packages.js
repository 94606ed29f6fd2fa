/**
 * npm run check:packages: builds the packages twice from clean copies, packs them, and checks the tarballs as their users will
 * get them. Ends with a table. With `-- --out FOLDER` what passed is left there: the tarballs, a bill of materials for each and
 * SHA256SUMS. With `--require-audit` an audit that the registry does not answer is a failure, too.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { readFlags } from "./flags.js";
import { audit } from "./packages/audit.js";
import { cleanBuild } from "./packages/clean-build.js";
import { compileConsumer, installConsumer, runConsumer } from "./packages/consumer.js";
import { checkGlobalInstall } from "./packages/global-install.js";
import { licencesOf } from "./packages/licences.js";
import { output } from "./packages/program.js";
import { openRegistry } from "./packages/registry.js";
import { billOfMaterials } from "./packages/sbom.js";
import { contentProblems, manifestProblems } from "./packages/tarball-rules.js";
import { installedWith, packagesOf, readJson } from "./packages/workspace.js";
import { root } from "./run.js";
import { install } from "./setup.js";
import { printTable } from "./table.js";

const usage = `npm run check:packages -- [--out FOLDER] [--require-audit]
  --out FOLDER      leave what passed there: tarballs, a bill of materials for each, SHA256SUMS
  --require-audit   fail where the registry does not answer npm audit`;
const flags = readFlags(usage, {
  out: { type: "string" },
  "require-audit": { type: "boolean", default: false },
});
await install();

/** @type {{ check: string, package: string, outcome: string }[]} */
const results = [];
const folder = mkdtempSync(join(tmpdir(), "amesh-packages-"));
const place = (/** @type {string} */ name) => {
  mkdirSync(join(folder, name), { recursive: true });
  return join(folder, name);
};
const tool = (/** @type {string} */ path, /** @type {string[]} */ ...args) =>
  output(process.execPath, [join(root, "node_modules", path), ...args]);
const kilobytes = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(0)} kB`;

/** Notes what a check says, or how it failed. @param {string} check @param {string} of @param {() => unknown} run */
async function record(check, of, run) {
  console.error(`amesh: ${check}, ${of}`);
  try {
    results.push({ check, package: of, outcome: `${(await run()) ?? "OK"}` });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    results.push({ check, package: of, outcome: "FAIL (above)" });
  }
}

/** @param {string[]} problems */
function none(problems) {
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

try {
  console.error("amesh: two clean builds");
  const packed = await cleanBuild(join(folder, "first"));
  // Another place, another owner's modes, another time zone and language; later, too.
  const second = join(folder, "another place", "second");
  const again = await cleanBuild(second, { umask: 0o077, env: { TZ: "Asia/Tokyo", LC_ALL: "tr_TR.UTF-8" } });
  const workspace = packagesOf(root);
  const lock = readJson(join(root, "package-lock.json")).packages;
  const manifest = readJson(join(root, "package.json"));
  const hashes = Object.fromEntries(packed.map(({ name, sha256 }) => [name, sha256]));
  const bills = workspace.map((each) => billOfMaterials(each, lock, hashes));

  for (const [i, each] of packed.entries()) {
    const unpacked = place(`unpacked/${i}`);
    await record("contents", each.name, async () => {
      await output("tar", ["-xzf", each.tarball, "--strip-components=1", "-C", unpacked]);
      none(contentProblems(each, unpacked));
      return `OK, ${each.files.length} files, ${kilobytes(each.size)} packed, ${kilobytes(each.unpackedSize)} unpacked`;
    });
    await record("manifest", each.name, () => none(manifestProblems(each, workspace[i].folder, manifest)));
    await record("publint", each.name, async () => {
      await tool("publint/src/cli.js", "run", each.tarball, "--strict");
    });
    await record("attw, esm-only", each.name, async () => {
      await tool("@arethetypeswrong/cli/dist/index.js", each.tarball, "--profile", "esm-only");
    });
    await record("reproducible", each.name, () => {
      none(
        again[i].sha256 === each.sha256 ? [] : [`${each.tarball} is ${each.sha256} and ${again[i].sha256}`],
      );
      return `OK, SHA-256 ${each.sha256}`;
    });
    await record("licences", each.name, () => {
      const { table, problems } = licencesOf(installedWith(workspace[i], lock).all.values());
      none(problems);
      return `OK, ${[...table].map(([licence, names]) => `${licence} ${names.length}`).join(", ")}`;
    });
    await record("SBOM", each.name, () => `OK, ${bills[i].components.length} components`);
  }

  const registry = await openRegistry(packed);
  try {
    const consumer = place("consumer");
    const all = "all, in a project";
    await record("install", all, () => installConsumer(consumer, packed, registry.setting));
    await record("types, node16", all, () => compileConsumer(consumer, packed, "node16"));
    await record("types, bundler", all, () => compileConsumer(consumer, packed, "bundler"));
    await record("import and require", all, () => runConsumer(consumer, packed));
    await record("npm install --global", "@authmesh/cli", () =>
      checkGlobalInstall(place("global"), registry.setting),
    );
  } finally {
    await registry.close();
  }
  await record("npm audit", "all", () => audit({ required: flags["require-audit"] }));

  if (flags.out !== undefined && results.every(passed)) {
    const out = resolve(flags.out);
    mkdirSync(join(out, "sbom"), { recursive: true });
    for (const [i, { tarball }] of packed.entries()) {
      copyFileSync(tarball, join(out, basename(tarball)));
      const bill = join(out, "sbom", basename(tarball).replace(/\.tgz$/, ".cdx.json"));
      writeFileSync(bill, `${JSON.stringify(bills[i], null, 2)}\n`);
    }
    const sums = packed.map(({ sha256, tarball }) => `${sha256}  ${basename(tarball)}\n`);
    writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log();
printTable(results.sort((a, b) => (a.check < b.check ? -1 : a.check > b.check ? 1 : 0)));
process.exitCode = results.every(passed) ? 0 : 1;

/** @param {(typeof results)[number]} result */
function passed({ outcome }) {
  return !outcome.startsWith("FAIL");
}
