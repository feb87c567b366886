#!/usr/bin/env node
/*
 * The command `vmemd`. This file keeps to old syntax, so that every Node can read it and say what
 * is missing: the service itself is TypeScript, which Node runs as it is from version 24 on. Where
 * the running Node is older, but a newer one is installed as the package "node", that one takes
 * over.
 */
/* oxlint-disable no-var, prefer-template */
var nodeMajorMin = 24;

if (parseInt(process.versions.node, 10) >= nodeMajorMin) {
  import('./main.ts').then(function (main) {
    return main.run();
  });
} else {
  handOver();
}

function handOver() {
  Promise.all([import('fs'), import('url'), import('child_process')]).then(function (modules) {
    var path = modules[1].fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
    if (!modules[0].existsSync(path)) {
      console.error(
        'vmemd needs Node ' +
          nodeMajorMin +
          ' or newer; this is ' +
          process.versions.node +
          '. ' +
          'Install a newer Node, or run "npm install" in the folder of vmemd.',
      );
      process.exit(2);
    }
    var self = modules[1].fileURLToPath(import.meta.url);
    var child = modules[2].spawn(path, [self].concat(process.argv.slice(2)), {
      // The channel tells the service when this process is killed, so that it never stays behind.
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    process.on('SIGTERM', function () {
      child.kill('SIGTERM');
    });
    process.on('SIGINT', function () {
      // A terminal has sent it to the service as well, and a second one would end it at once.
      if (!process.stdin.isTTY) child.kill('SIGINT');
    });
    child.on('error', function (error) {
      console.error('vmemd: ' + path + ' cannot be run: ' + error.message);
      process.exit(2);
    });
    child.on('exit', function (code, signal) {
      if (signal === null) process.exit(code);
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  });
}
