import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { Pkcs11KeyStore } from "../src/index.js";
import { loadModule } from "../src/pkcs11/module.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { softHsmModule } from "./softhsm.js";

const isRoot = process.getuid?.() === 0;

/** A module of this test's own: GRANDPARENT/lib/module.so. */
function ownModule(): { readonly module: string; readonly folder: string; readonly above: string } {
  const above = temporaryFolder();
  const folder = join(above, "lib");
  mkdirSync(folder, { mode: 0o755 });
  const module = join(folder, "module.so");
  copyFileSync(softHsmModule, module);
  chmodSync(module, 0o644);
  return { module, folder, above };
}

describe("a module", () => {
  it("is loaded once, by whatever path, when nobody else can change it", () => {
    const { module, folder } = ownModule();
    const link = join(folder, "link.so");
    symlinkSync(module, link);
    expect(loadModule(link)).toBe(loadModule(module));
  });

  it.each([
    ["by a relative path", "libsofthsm2.so", "invalid_option", "absolute"],
    ["that is not there", "/nowhere/module.so", "key_store_unavailable", "no /nowhere/module.so"],
    ["that is a folder", "/usr/lib", "key_store_unavailable", "is not a regular file"],
    ["that is a device", "/dev/null", "key_store_unavailable", "is not a regular file"],
    ["that is another file", fileURLToPath(import.meta.url), "key_store_unavailable", "is no PKCS#11 module"],
    ["that is another library", process.execPath, "key_store_unavailable", "is no PKCS#11 module"],
  ] as const)("%s is refused", (_, path, code, words) => {
    const load = () => loadModule(path);
    expect(load).toThrow(words);
    expect(load).toThrow(expect.objectContaining({ code }));
  });

  it.each([
    ["its group can write", 0o664],
    ["everybody can write", 0o646],
  ])("that %s is refused, also behind a link, and the error says what mends it", (_, mode) => {
    const { module, above } = ownModule();
    const link = join(above, "link.so");
    symlinkSync(module, link);
    chmodSync(module, mode);
    for (const path of [module, link])
      expect(() => loadModule(path)).toThrow(
        expect.objectContaining({ fix: expect.stringContaining(`chmod go-w ${module}`) }),
      );
    chmodSync(module, 0o644);
    expect(loadModule(link)).toBeDefined();
  });

  it("in a folder that others can write to, or that stands in one, is refused", () => {
    const { module, folder, above } = ownModule();
    for (const [exposed, mode] of [
      [folder, 0o777],
      [folder, 0o1777],
      [above, 0o770],
    ] as const) {
      chmodSync(exposed, mode);
      expect(() => loadModule(module)).toThrow(`others may write to ${exposed}`);
      chmodSync(exposed, 0o755);
    }
    chmodSync(above, 0o1777);
    expect(loadModule(module)).toBeDefined();
  });

  it.runIf(isRoot)("that belongs to another user, or stands in such a folder, is refused", () => {
    for (const what of ["module", "folder", "above"] as const) {
      const own = ownModule();
      chownSync(own[what], 65_534, 65_534);
      expect(() => loadModule(own.module)).toThrow(`${own[what]} belongs to another user (65534)`);
    }
  });

  it("is checked again when a key's file names it", async () => {
    const { module, folder } = ownModule();
    chmodSync(folder, 0o777);
    const store = new Pkcs11KeyStore({ dir: temporaryFolder(), place: { module } });
    expect(await codeOf(() => store.generate("device"))).toBe("key_store_unavailable");
  });
});

describe("the package pkcs11js", () => {
  const [ours, core] = ["../package.json", "../../core/package.json"].map((path) =>
    dirname(fileURLToPath(new URL(path, import.meta.url))),
  ) as [string, string];
  beforeAll(build);

  /** A project that has @authmesh/keystore, and what `prepare` puts beside it; says what making a key fails with. */
  function failureIn(prepare: (modules: string) => void): { readonly code: string; readonly fix: string } {
    const modules = join(temporaryFolder(), "node_modules");
    const own = join(modules, "@authmesh", "keystore");
    mkdirSync(own, { recursive: true });
    cpSync(join(ours, "dist"), join(own, "dist"), { recursive: true });
    copyFileSync(join(ours, "package.json"), join(own, "package.json"));
    symlinkSync(core, join(modules, "@authmesh", "core"));
    prepare(modules);
    const script = `import { Pkcs11KeyStore } from "@authmesh/keystore";
      const store = new Pkcs11KeyStore({ dir: ".", place: { module: ${JSON.stringify(softHsmModule)} } });
      await store.generate("device").catch(({ code, fix }) => console.log(JSON.stringify({ code, fix })));`;
    const args = ["--input-type=module", "--eval", script];
    return JSON.parse(execFileSync(process.execPath, args, { cwd: dirname(modules), encoding: "utf8" }));
  }

  it("is asked for, with the command that installs it, only when a token is used", () => {
    const { code, fix } = failureIn(() => {});
    expect(code).toBe("package_missing");
    expect(fix).toMatch(/^npm install pkcs11js@\d+\.\d+\.\d+ /);
  });

  it("is asked for, with the command that compiles it, where it is not compiled", () => {
    const { code, fix } = failureIn((modules) => {
      mkdirSync(join(modules, "pkcs11js"));
      writeFileSync(join(modules, "pkcs11js", "index.js"), 'require("./build/Release/pkcs11.node");');
    });
    expect(code).toBe("package_missing");
    expect(fix).toMatch(/^npm rebuild pkcs11js/);
  });
});
