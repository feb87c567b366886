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
  start();
} else {
  handOver();
}

/*
 * What the compiler made of the sources is kept beside the packages, which spares the next start a
 * third of its time. Where that folder may not be written, Node goes on without it.
 */
function start() {
  Promise.all([import('module'), import('url')]).then(function (modules) {
    var folder = modules[1].fileURLToPath(new URL('../node_modules/.cache/vmemd', import.meta.url));
    // In the environment, threads find it as well.
    process.env.NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE || folder;
    modules[0].enableCompileCache();
    return import('./main.ts').then(function (main) {
      return main.run();
    });
  });
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
    // As `npm start` does. A tool is done before it would gain from any of it.
    var serves = process.argv[2] === 'serve';
    var flags = ['--max-semi-space-size=16', '--use-largepages=silent'];
    var tunables = { GLIBC_TUNABLES: 'glibc.malloc.mmap_threshold=1048576' };
    var child = modules[2].spawn(path, (serves ? flags : []).concat(self, process.argv.slice(2)), {
      env: Object.assign(serves ? tunables : {}, process.env),
      // The channel tells the service when this process is killed, so that it never stays behind.
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    ['SIGTERM', 'SIGHUP'].forEach(function (signal) {
      process.on(signal, function () {
        child.kill(signal);
      });
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
