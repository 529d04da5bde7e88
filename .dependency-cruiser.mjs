// The direction of all imports: domain <- application <- protocol <- adapters <- container. What a rule lets
// through it names; everything else is a violation. test/architecture.test.ts runs these rules on
// src/, and on planted violations of each; `npx depcruise src` runs them by hand.

// An installed package's files, or its bare name where it isn't installed.
const npm = (...names) => `(^|node_modules/)(${names.join("|")})(/|$)`;

const DOMAIN = "^src/domain/";
const APPLICATION = "^src/application/";
const PROTOCOL = "^src/protocol/";
const ADAPTERS = "^src/adapters/";
const CONTAINER = "^src/container(/|\\.ts$)";
const INDEX = "^src/index\\.ts$";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "no-cycles",
      comment: "Two modules that need each other are one module, or lack a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "domain-imports-domain-only",
      comment: "The domain is pure: no other layer, no Node, no package.",
      severity: "error",
      from: { path: DOMAIN },
      to: { pathNot: DOMAIN },
    },
    {
      name: "application-imports-inwards-only",
      comment: "The use cases know the domain and the ports: no adapter, no Node, no package.",
      severity: "error",
      from: { path: APPLICATION },
      to: { pathNot: [DOMAIN, APPLICATION] },
    },
    {
      name: "protocol-imports-inwards-only",
      comment:
        "A protocol knows domain, application and its own folder: no other protocol, no adapter, no Node, no package.",
      severity: "error",
      from: { path: `${PROTOCOL}([^/]+)/` },
      to: { pathNot: [DOMAIN, APPLICATION, `${PROTOCOL}$1/`] },
    },
    {
      name: "protocol-has-a-folder",
      comment: "A file directly in src/protocol would be shared by all protocols.",
      severity: "error",
      from: {},
      to: { path: `${PROTOCOL}[^/]+$` },
    },
    {
      name: "adapter-imports-inwards-only",
      comment:
        "An adapter knows domain, application, protocols and its own folder: no other adapter, no wiring.",
      severity: "error",
      from: { path: `${ADAPTERS}([^/]+)/` },
      to: { path: "^src/", pathNot: [DOMAIN, APPLICATION, `${PROTOCOL}[^/]+/`, `${ADAPTERS}$1/`] },
    },
    {
      name: "adapter-has-a-folder",
      comment: "A file directly in src/adapters would be shared by all adapters.",
      severity: "error",
      from: {},
      to: { path: `${ADAPTERS}[^/]+$` },
    },
    {
      name: "adapters-are-picked-in-the-container",
      comment: "src/index.ts may show adapters to hosts; nobody else knows which ones there are.",
      severity: "error",
      from: { path: "^src/", pathNot: [ADAPTERS, CONTAINER, INDEX] },
      to: { path: ADAPTERS },
    },
    {
      name: "core-has-no-adapter",
      comment:
        "hexpush/core is domain, application and protocols, for hosts that bring their own adapters.",
      severity: "error",
      from: { path: "^src/core\\.ts$" },
      to: { pathNot: [DOMAIN, APPLICATION, PROTOCOL] },
    },
    {
      name: "inversify-in-the-container-only",
      comment: "A class that knows its container cannot be used without it.",
      severity: "error",
      from: { pathNot: [CONTAINER, INDEX] },
      to: { path: npm("inversify", "@inversifyjs", "reflect-metadata") },
    },
    {
      name: "uwebsockets-in-its-adapter-only",
      comment: "The native library stays behind its adapter, which loads it on demand.",
      severity: "error",
      from: { pathNot: `${ADAPTERS}uws/` },
      to: { path: npm("uWebSockets\\.js", "uwebsockets") },
    },
    {
      name: "ws-in-its-adapter-and-clients-only",
      comment: "Protocols know no WebSocket library. The command line is a client.",
      severity: "error",
      from: { path: "^src/", pathNot: [`${ADAPTERS}ws/`, "^src/cli/"] },
      to: { path: npm("ws", "@types/ws") },
    },
    {
      name: "nothing-imports-main",
      comment: "Importing the command line would run it.",
      severity: "error",
      from: {},
      to: { path: "^src/main\\.ts$" },
    },
    {
      name: "src-imports-src-and-dependencies-only",
      comment: "No test, script or build output; and what cannot be resolved cannot be judged.",
      severity: "error",
      from: { path: "^src/" },
      to: { pathNot: ["^src/", "(^|/)node_modules/"], dependencyTypesNot: ["core"] },
    },
    {
      name: "published-code-uses-declared-dependencies-only",
      comment: "A development dependency, or one of somebody else's, is missing at the user's.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "(^|/)node_modules/" },
    // Type-only imports are dependencies too: what is erased from the output still couples.
    tsPreCompilationDeps: true,
    detectJSDocImports: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
