// Preloaded (`node --import`) into the servers of the memory and history workloads only: SIGUSR2 runs a full
// garbage collection, so that the comparison is of what a socket keeps, and not of how much
// garbage its joining happened to leave behind at the moment of looking.
import v8 from "node:v8";
import vm from "node:vm";

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc");

process.on("SIGUSR2", () => {
  collect();
  setImmediate(collect);
});
