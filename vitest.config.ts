import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

// Tests import the sources through this condition, so that there is one copy of every class.
const resolve = { conditions: ["@authmesh/source"] };
const conditions = ["@authmesh/source", ...("bun" in process.versions ? ["bun"] : []), "node"];
const ssr = { resolve: { conditions, externalConditions: conditions } };

const project = (name: string, include: string[], extra: object = {}, test: object = {}) => ({
  resolve,
  ssr,
  ...extra,
  test: {
    name,
    include,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // The files that a worker runs share one copy of the modules: to load them anew for each costs more than most files
    // take. So fixtures set up and tear down in functions that tests call, not by hooks at their top.
    isolate: false,
    setupFiles: path("./test/fixtures/clean-worker.ts"),
    ...test,
  },
});

const portable = {
  resolve: { ...resolve, alias: { "#crypto": path("./packages/core/src/crypto/portable.ts") } },
};

/**
 * What is left for the end are short files, so that no worker is alone with a long one. Within a project Vitest begins
 * with the largest.
 */
class LongFilesFirst extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer["sort"]>[0]) {
    const order = this.ctx.projects.map(({ name }) => name);
    const place = ({ project }: (typeof files)[number]) => order.indexOf(project.name);
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

// In the order in which they run.
const projects = [
  project("whole", ["test/*.test.ts", "test/{conformance,fuzz}/*.test.ts"]),
  project("cli", ["packages/cli/test/**/*.test.ts"]),
  project("keystore", ["packages/keystore/test/**/*.test.ts"]),
  project("authority", ["packages/authority/test/**/*.test.ts"]),
  project("gateway", ["packages/gateway/test/**/*.test.ts"]),
  project("sdk", ["packages/sdk/test/**/*.test.ts"]),
  project("relay", ["packages/relay/test/**/*.test.ts"]),
  project("oath", ["packages/oath/test/**/*.test.ts"]),
  project("oath-portable", ["packages/oath/test/{bad-tokens,jose,mutations,token-*}.test.ts"], portable),
  project("core-portable", ["packages/core/test/**/*.test.ts"], portable),
  project("core", ["packages/core/test/**/*.test.ts"]),
  // What takes a minute and more: npm run test:all.
  ...(process.env["AMESH_TEST_SLOW"]
    ? [
        project("slow", ["test/slow/**/*.test.ts"], {}, { globalSetup: "test/slow/install.ts" }),
        project("timing", ["test/timing/*.test.ts"]),
      ]
    : []),
  // What stops and breaks the real processes, one fault after the other: npm run test:faults.
  ...(process.env["AMESH_TEST_FAULTS"] ? [project("faults", ["test/faults/**/*.test.ts"])] : []),
];

export default defineConfig({
  test: {
    // One more than there are cores: most tests wait for a program, a server or a timer half of their time.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongFilesFirst },
    projects,
  },
});
