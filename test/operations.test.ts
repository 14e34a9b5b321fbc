// Holds docs/operations.md and the examples for operators to what the broker does.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ALL_METRICS } from '../src/broker/metrics/all-metrics.js';
import { metricsDocument } from '../src/broker/metrics/metrics-document.js';
import { loadBrokerConfig } from '../src/cli/commands/broker-settings.js';
import { UsageError } from '../src/cli/commands/usage-error.js';

const pathOf = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const read = (path: string) => readFileSync(pathOf(path), 'utf8');

const OPERATIONS = 'docs/operations.md';
const UNIT = 'examples/systemd/odradek.service';
const CONFIGURATIONS = ['development', 'production'].map((name) => `examples/config/${name}.properties`);
const ALL = Object.values(ALL_METRICS).flat();

describe('The metrics', () => {
  it('are named as Prometheus asks: a prefix, base units, counters with _total', () => {
    for (const { name, type, labels } of ALL) {
      expect(name).toMatch(/^odradek_[a-z][a-z_]*[a-z]$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|minutes|percent)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      for (const label of labels) expect(label).toMatch(/^[a-z][a-z_]*$/);
      expect(labels).not.toContain('le');
    }
  });

  it('have names of their own, and sentences that help', () => {
    const names = ALL.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { help } of ALL) expect(help).toMatch(/^[A-Z0-9].*[^ ]\.$/s);
  });

  it('stand in the documentation as the code declares them', () => {
    const text = read(OPERATIONS);
    const tables = /(<!-- metrics: [^\n]*-->\n)([\s\S]*?)(<!-- end of metrics -->)/;
    if (process.env['SNAPSHOT'] === 'write') {
      const written = text.replace(
        tables,
        (_all, start, _old, end) => `${start}\n${metricsDocument()}\n\n${end}`,
      );
      writeFileSync(pathOf(OPERATIONS), written);
    }
    expect(tables.exec(read(OPERATIONS))?.[2]).toBe(`\n${metricsDocument()}\n\n`);
  });
});

describe('The warnings and errors of the broker', () => {
  const documented = new Set(
    [...read(OPERATIONS).matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, message]) => message),
    ),
  );
  /** Messages in calls of `warn('…')` and `error('…')`; none is put together from pieces. */
  const logged = readdirSync(pathOf('src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /^(base|io|log|partition|metadata|coordinator|broker)\/.*\.ts$/.test(path))
    .flatMap((path) =>
      [...read(`src/${path}`).matchAll(/\b(?:warn|error)\(\s*'([^'\n]+)'/g)].map(([, message]) => message),
    );

  it('are all explained', () => {
    expect(logged.length).toBeGreaterThan(30);
    expect([...new Set(logged)].filter((message) => !documented.has(message))).toEqual([]);
  });
});

describe('The example configurations', () => {
  it.each(CONFIGURATIONS)('%s is valid', (path) => {
    const config = loadBrokerConfig({
      options: { config: path },
      environment: {},
      readFile: () => read(path),
    });
    expect(config.nodeId).toBe(1);
  });

  it('would be refused with a misspelt name', () => {
    const readFile = () => `${read(CONFIGURATIONS[1] ?? '')}\nlog.retention.hour=1\n`;
    const load = () => loadBrokerConfig({ options: { config: 'x' }, environment: {}, readFile });
    expect(load).toThrow(UsageError);
  });
});

describe('The example alerts', () => {
  const text = read('examples/prometheus/alerts.yml');
  const series = new Map(
    ALL.flatMap(({ name, type, labels }) => {
      const names = type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
      return names.map((one) => [
        one,
        new Set<string>([...labels, ...(one.endsWith('_bucket') ? ['le'] : [])]),
      ]);
    }),
  );
  const expressions = [...text.matchAll(/^\s+expr: (.+)$/gm)].map(([, expression = '']) => expression);

  it('ask for metrics and labels that there are', () => {
    expect(expressions.length).toBeGreaterThan(10);
    const used = new Set<string>();
    for (const expression of expressions) {
      for (const [, name = '', matchers = ''] of expression.matchAll(/\b(odradek_\w+)(?:\{([^}]*)\})?/g)) {
        used.add(name);
        const labels = series.get(name);
        expect(labels, name).toBeDefined();
        for (const [, label = ''] of matchers.matchAll(/(\w+)\s*(?:=~|!=|=)/g))
          expect(labels).toContain(label);
      }
    }
    expect(used.size).toBeGreaterThan(10);
  });

  it('ask for rates of counters, and of nothing else', () => {
    for (const expression of expressions) {
      for (const [, name = ''] of expression.matchAll(/(?:rate|increase)\((\w+)/g)) {
        const counts = ALL.some((row) => row.name === name && row.type === 'counter');
        expect(counts || name.endsWith('_bucket'), name).toBe(true);
      }
    }
  });

  it('are explained', () => {
    const operations = read(OPERATIONS);
    const names = [...text.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    expect(names.filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
  });
});

/** Lines `key=value` of a unit, in order. */
function settingsOf(unit: string): ReadonlyMap<string, string> {
  const lines = unit.split('\n').filter((line) => /^[A-Za-z]+=/.test(line));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** Resolves with the fields of the line that says that the broker is ready, or rejects with what it said instead. */
async function ready(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  const said: string[] = [];
  child.stderr?.on('data', (bytes: Buffer) => said.push(String(bytes)));
  if (!child.stdout) throw new Error('started without a pipe');
  for await (const line of createInterface(child.stdout)) {
    said.push(line);
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === 'object' && parsed !== null && 'msg' in parsed && parsed.msg === 'broker ready')
      return { ...parsed };
  }
  throw new Error(`the broker did not start: ${said.join('\n')}`);
}

describe('The systemd unit', () => {
  it('starts a broker with the production configuration, and stops it cleanly', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-unit-'));
    const [program = '', ...args] = (settingsOf(read(UNIT)).get('ExecStart') ?? '').split(' ');
    expect(program).toMatch(/\/odradek$/);
    expect(args).toContain('/etc/odradek/broker.properties');
    const child = spawn(
      process.execPath,
      [
        pathOf('dist/src/cli/main.js'),
        ...args.map((arg) => arg.replace('/etc/odradek/broker.properties', pathOf(CONFIGURATIONS[1] ?? ''))),
      ],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env['PATH'],
          ODRADEK_DATA_DIR: join(folder, 'data'),
          ODRADEK_NATIVE_LISTEN: '127.0.0.1:0',
          ODRADEK_KAFKA_LISTEN: '127.0.0.1:0',
          ODRADEK_HTTP_LISTEN: '127.0.0.1:0',
        },
      },
    );
    const exited = once(child, 'exit');
    try {
      const { http } = await ready(child);
      expect((await fetch(`http://${http}/health/ready`)).status).toBe(200);
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;

  it.runIf(analyze)('is one that systemd takes, and is hardened', () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-unit-'));
    const path = join(folder, 'odradek.service');
    // The program and the user need not be on the machine that runs the tests.
    const here = read(UNIT)
      .replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`)
      .replace(/^(User|Group)=.*$/gm, '$1=root');
    writeFileSync(path, here);
    const verified = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    const security = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=30', path], {
      encoding: 'utf8',
    });
    rmSync(folder, { recursive: true, force: true });
    expect(verified.stderr).toBe('');
    expect(verified.status).toBe(0);
    expect(security.status, security.stdout).toBe(0);
  });

  it('is not restarted for a mistake in the configuration', () => {
    const settings = settingsOf(read(UNIT));
    expect(settings.get('Restart')).toBe('on-failure');
    expect(settings.get('RestartPreventExitStatus')).toBe('2');
    const wrong = spawnSync(
      process.execPath,
      [pathOf('dist/src/cli/main.js'), 'broker', '--set', 'log.retention.hour=1'],
      { encoding: 'utf8' },
    );
    expect(wrong.status).toBe(2);
  });
});
