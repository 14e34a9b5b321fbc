#!/usr/bin/env node
// The executable. This one file is CommonJS (see package.json beside it): Node loads ES modules through its thread pool, and
// the size of that pool is fixed at its first use. Four threads, Node's default, are few for a broker that flushes many
// files to the disk.
const { join } = require('node:path') as typeof import('node:path');
const { Worker } = require('node:worker_threads') as typeof import('node:worker_threads');

process.env['UV_THREADPOOL_SIZE'] ??= '16';

// The broker's supervisor takes as long to load its code as all that comes before it: they share the time.
const supervisor =
  process.argv[2] === 'broker'
    ? new Worker(join(__dirname, '../../workers/supervisor.js'), { name: 'odradek-supervisor' })
    : undefined;
supervisor?.unref(); // Until it is used.

void import('./commands/program.js').then(({ run }) => run(process.argv, supervisor));
