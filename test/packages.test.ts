import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { licencesOf } from "../scripts/packages/licences.js";
import { pack } from "../scripts/packages/pack.js";
import { output } from "../scripts/packages/program.js";
import { billOfMaterials } from "../scripts/packages/sbom.js";
import { contentProblems, manifestProblems } from "../scripts/packages/tarball-rules.js";
import { installedWith, packagesOf, readJson } from "../scripts/packages/workspace.js";
import { root } from "../scripts/run.js";

const workspace = packagesOf(root);
const repository = readJson(join(root, "package.json"));
const lock = readJson(join(root, "package-lock.json")).packages;
const folder = mkdtempSync(join(tmpdir(), "amesh-packed-"));
const names = workspace.map(({ manifest }) => manifest.name);
let packed: Awaited<ReturnType<typeof pack>>;

const packedAs = (name: string) => {
  const found = packed.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${name} was not packed`);
  return found;
};
const sourceOf = (name: string) => {
  const found = workspace.find(({ manifest }) => manifest.name === name);
  if (found === undefined) throw new Error(`${name} is no package`);
  return found;
};

beforeAll(async () => {
  packed = await pack(root, folder);
});

afterAll(() => rmSync(folder, { recursive: true }));

test("every package of the repository is published, after those that it depends on", () => {
  const locked = Object.keys(lock).filter((place) => /^packages\/[^/]+$/.test(place));
  expect(workspace.map(({ folder: own }) => own).sort()).toEqual(locked.sort());
  for (const [i, { manifest }] of workspace.entries())
    for (const name of Object.keys(manifest.dependencies ?? {}).filter((each) => names.includes(each)))
      expect(names.indexOf(name)).toBeLessThan(i);
});

test("the lock file says of the repository and of every package what its manifest says", () => {
  const kinds = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
  ];
  const said = (manifest: Record<string, unknown>) =>
    Object.fromEntries(
      ["name", "version", "engines", ...kinds].flatMap((kind) =>
        kind in manifest ? [[kind, manifest[kind]]] : [],
      ),
    );
  expect(said(lock[""])).toEqual(said(repository));
  for (const { folder: own, manifest } of workspace) expect(said(lock[own]), own).toEqual(said(manifest));
});

describe.each(names)("%s", (name) => {
  test("holds what it needs and nothing else, and tells of no machine", async () => {
    const unpacked = join(folder, name);
    mkdirSync(unpacked, { recursive: true });
    await output("tar", ["-xzf", packedAs(name).tarball, "--strip-components=1", "-C", unpacked]);
    expect(contentProblems(packedAs(name), unpacked)).toEqual([]);
    expect(readFileSync(join(unpacked, "README.md"), "utf8")).not.toMatch(/\]\(\.\.?\//);
    expect(readFileSync(join(unpacked, "package.json"), "utf8")).not.toContain("@authmesh/source");
  });

  test("leads to files that are there, in one release", () => {
    expect(manifestProblems(packedAs(name), sourceOf(name).folder, repository)).toEqual([]);
  });

  test("stands on what its users may have, and says on what", () => {
    const installed = [...installedWith(sourceOf(name), lock).all.values()];
    expect(licencesOf(installed).problems).toEqual([]);
    expect(installed.filter(({ hasInstallScript }) => hasInstallScript)).toEqual([]);
    const bill = billOfMaterials(sourceOf(name), lock, { [name]: packedAs(name).sha256 });
    expect(bill).toMatchObject({
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      metadata: { component: { name } },
    });
    const refs = bill.components.map((component) => component["bom-ref"]);
    for (const { purl, version, licenses } of bill.components) {
      expect(purl).toMatch(/^pkg:npm\/(%40[\w.-]+\/)?[\w.-]+@\d/);
      expect([purl.endsWith(`@${version}`), licenses[0]?.license.id]).toEqual([true, expect.any(String)]);
    }
    expect(new Set(refs).size).toBe(installed.length);
    expect(new Set(bill.dependencies.flatMap(({ dependsOn }) => dependsOn))).toEqual(new Set(refs));
    for (const tool of ["vitest", "typescript", "fast-check"])
      expect(refs.filter((ref) => ref.startsWith(`pkg:npm/${tool}@`))).toEqual([]);
  });
});

test("the rules find what must not be published", () => {
  const core = packedAs("@authmesh/core");
  const unpacked = join(folder, "@authmesh/core");
  const path = "dist/records.test.js";
  writeFileSync(join(unpacked, path), "// built in /home/someone/amesh\n");
  const more = { ...core, files: [...core.files, { path, size: 1, mode: 0o644 }] };
  expect(contentProblems(more, unpacked)).toEqual([
    `${path} does not belong there`,
    `${path} holds "/home/s"`,
  ]);
  const open = { ...core, files: core.files.map((file) => ({ ...file, mode: 0o666 })) };
  expect(contentProblems(open, unpacked)).toContain("package.json has the mode 666");
  expect(contentProblems({ ...core, files: [] }, unpacked)).toContain("LICENSE is missing");
  const stray = { ...core, files: [{ path: "README.md", size: 1, mode: 0o644 }] };
  expect(manifestProblems(stray, "packages/core", repository)).toContain(
    "./dist/index.d.ts is named and missing",
  );
  expect(manifestProblems(core, "packages/core", { ...repository, version: "9.9.9" })).toContain(
    'version is not "9.9.9"',
  );
  const loose = { ...core, manifest: { ...core.manifest, dependencies: { "@noble/curves": "^2.4.0" } } };
  expect(manifestProblems(loose, "packages/core", repository)).toEqual([
    "@noble/curves@^2.4.0 is no exact version",
  ]);
  expect(
    licencesOf([
      { name: "a", version: "1.0.0", license: "AGPL-3.0" },
      { name: "b", version: "2.0.0" },
    ]).problems,
  ).toEqual(["AGPL-3.0: a@1.0.0", "none: b@2.0.0"]);
});
