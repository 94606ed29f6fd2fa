/** Builds and packs a copy of what is under version control, with nothing of what an earlier build left. */
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../run.js";
import { pack } from "./pack.js";
import { output } from "./program.js";
import { packagesOf } from "./workspace.js";

/**
 * @param {string} folder missing or empty
 * @param {{ umask?: number, env?: NodeJS.ProcessEnv }} [circumstances] what must make no difference
 */
export async function cleanBuild(folder, { umask = 0o022, env = {} } = {}) {
  const before = process.umask(umask);
  try {
    const listed = await output("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: root,
    });
    for (const file of listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path))))
      cpSync(join(root, file), join(folder, file));
    linkModules(folder);
    await output(process.execPath, ["node_modules/typescript/bin/tsc", "-b", "tsconfig.build.json"], {
      cwd: folder,
      env,
    });
    return await pack(folder, join(folder, "packed"));
  } finally {
    process.umask(before);
  }
}

/** What the lockfile installed is shared; the packages themselves are the copy's own. @param {string} folder */
function linkModules(folder) {
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(root, "node_modules")))
    if (name !== "@authmesh") symlinkSync(join(root, "node_modules", name), join(modules, name), "junction");
  for (const { folder: own, manifest } of packagesOf(folder)) {
    const link = join(modules, manifest.name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(folder, own), link, "junction");
  }
}
