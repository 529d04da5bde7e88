// `npm run bench:peers`: fetches nchan and pushpin from Debian for the benchmark. It unpacks them
// into bench/.peers, together with the libraries that are missing, and installs nothing: no service
// is set up or started, and removing the folder undoes it.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { NCHAN_FILES, UNPACKED, VERSIONS } from "../bench/debian.mjs";

const WANTED = ["nginx", "libnginx-mod-nchan", "pushpin", "condure", "zurl"];
const isRoot = process.getuid?.() === 0;

if (!existsSync("/usr/bin/apt-get")) {
  stopWith("This needs apt-get, so Debian or one of its descendants.");
}
try {
  if (isRoot) aptGet(["-qq", "update"]);
  else console.log("Not root, so the package lists stay as old as they are.");
  fetchAndUnpack(missingPackages());
} catch (error) {
  stopWith(`${error.message}\nWhere a package was not found, \`apt-get update\` as root may help.`);
}
prepareNchan();

/** The packages that an installation would add, as `name=version`; empty if all are installed. */
function missingPackages() {
  const plan = aptGet(["install", "--simulate", "--no-install-recommends", ...WANTED], "pipe");
  const packages = [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm)];
  // The programs would find their own libc, but not the loader that goes with it.
  if (packages.some(([, name]) => name.startsWith("libc6"))) {
    throw new Error("These packages need a newer libc than this system's.");
  }
  return packages.map(([, name, version]) => ({ name, version }));
}

function fetchAndUnpack(packages) {
  if (packages.length === 0) return console.log("All of them are installed on the system.");
  console.log(`Fetching into bench/.peers: ${packages.map(({ name }) => name).join(", ")}`);
  const place = mkdtempSync(`${UNPACKED}-`);
  try {
    const exact = packages.map(({ name, version }) => `${name}=${version}`);
    // As root, apt downloads as another user, who may not write here.
    const options = isRoot ? ["-o", "APT::Sandbox::User=root"] : [];
    aptGet(["-qq", ...options, "download", ...exact], "inherit", place);
    for (const file of readdirSync(place)) {
      execFileSync("dpkg-deb", ["--extract", join(place, file), join(place, "unpacked")]);
    }
    const versions = Object.fromEntries(packages.map(({ name, version }) => [name, version]));
    writeFileSync(join(place, "unpacked", VERSIONS), JSON.stringify(versions));
    rmSync(UNPACKED, { recursive: true, force: true });
    renameSync(join(place, "unpacked"), UNPACKED);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** The only change outside bench/.peers: an empty directory, which an installation creates too. */
function prepareNchan() {
  if (existsSync(NCHAN_FILES)) return;
  if (isRoot) {
    mkdirSync(NCHAN_FILES, { recursive: true });
    console.log(`Made ${NCHAN_FILES}, for nchan does not start without it.`);
  } else {
    console.log(`nchan does not start without a directory that only root can make:
  sudo mkdir -p ${NCHAN_FILES}`);
  }
}

function aptGet(args, output = "inherit", cwd = dirname(UNPACKED)) {
  return execFileSync("apt-get", args, {
    cwd,
    encoding: "utf8",
    // The output of apt is parsed in English.
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", output, "inherit"],
  });
}

function stopWith(message) {
  console.error(message);
  process.exit(1);
}
