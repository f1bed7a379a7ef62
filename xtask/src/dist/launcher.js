#!/usr/bin/env node
// Starts batchgen from the package for this machine, which npm installs beside this one.
"use strict";

const { spawn } = require("node:child_process");

const name = `@batchgen/${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${name}/bin/batchgen`);
} catch {
  console.error(
    `error: ${name} is not installed\n` +
      "hint: batchgen runs on Linux on x64 and arm64; where npm left out optional dependencies, install again without --omit=optional",
  );
  process.exit(2);
}

// A terminal sends Ctrl-C to both, and the program decides what to do. Other signals reach this process alone. They are
// listened for before there is a program that could be told, so that none ends this process and leaves the program.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP", "SIGQUIT"]) {
  process.on(signal, () => child.kill(signal));
}
const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`error: cannot start ${program}: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) {
    process.exit(code);
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
