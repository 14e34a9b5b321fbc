#!/usr/bin/env node
// The executable. This one file is CommonJS (see package.json beside it): Node loads ES modules through its thread pool, and
// the size of that pool is fixed at its first use. Four threads, Node's default, are few for a broker that flushes many
// files to the disk.
process.env['UV_THREADPOOL_SIZE'] ??= '16';

void import('./commands/program.js').then(({ run }) => run(process.argv));
