// The clients of other languages: how each is installed by its own package manager, and how it is run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Plan } from './lot.js';
import type { LotReport } from './native-client.js';
import { firstLine, here, installed, run, type Tool } from './tool.js';

const PYTHON_MIN = [3, 9];
const JAVA_MIN = 17;
const INSTALL = { timeoutMs: 480_000 };

async function findPython(): Promise<Tool> {
  const found = await firstLine(['python3', '-c', 'import sys, venv; print(*sys.version_info[:2])']);
  if (found === null) return { missing: 'there is no python3 with venv on the PATH' };
  const [major = 0, minor = 0] = found.split(' ').map(Number);
  const [needed = 0, neededMinor = 0] = PYTHON_MIN;
  if (major !== needed || minor < neededMinor) return { missing: `Python is ${major}.${minor}` };
  const requirements = here('python/requirements.txt');
  const folder = await installed('python', [requirements], async (into) => {
    await run(['python3', '-m', 'venv', into]);
    await run([join(into, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '-r', requirements], INSTALL);
  });
  return { command: [join(folder, 'bin', 'python')] };
}

/** Fetches the jars that a pom names, once. */
async function jars(
  name: string,
  pom: string,
  sources: readonly string[],
): Promise<Tool & { folder?: string }> {
  const java = await firstLine(['javac', '-version']);
  if (java === null) return { missing: 'there is no JDK on the PATH' };
  const version = Number(/\d+/.exec(java)?.[0]);
  if (version < JAVA_MIN) return { missing: `the JDK is ${version}, and must be ${JAVA_MIN} or newer` };
  if ((await firstLine(['mvn', '--version'])) === null) return { missing: 'there is no Maven on the PATH' };
  const folder = await installed(name, [pom, ...sources], async (into) => {
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime'];
    await run(['mvn', '-q', '-B', '-f', pom, ...goal, `-DoutputDirectory=${join(into, 'lib')}`], INSTALL);
    if (sources.length > 0) {
      const classes = ['-d', join(into, 'classes'), '-cp', join(into, 'lib', '*')];
      await run(['javac', ...classes, ...sources]);
    }
  });
  const path = [join(folder, 'classes'), join(folder, 'lib', '*')].join(delimiter);
  return { command: ['java', '-Xmx512M', '-cp', path] };
}

const JAVA_SOURCES = ['Interop', 'Member'].map((name) => here(`java/client/${name}.java`));
const javaClient = () => jars('java-client', here('java/client/pom.xml'), JAVA_SOURCES);

/** Kafka's tools: the next argument is a class. */
export const kafkaTools = () => jars('kafka-tools', here('java/log-tools/pom.xml'), []);

/** franz-go and sarama in one program. */
async function findGo(): Promise<Tool> {
  const found = await firstLine(['go', 'env', 'GOVERSION']);
  if (found === null) return { missing: 'there is no Go on the PATH' };
  const module = here('go/go.mod');
  const needed = /^go (\d+)\.(\d+)/m.exec(readFileSync(module, 'utf8'));
  const version = /^go(\d+)\.(\d+)/.exec(found);
  const isOlder =
    Number(version?.[1]) * 1000 + Number(version?.[2]) < Number(needed?.[1]) * 1000 + Number(needed?.[2]);
  if (isOlder) return { missing: `Go is ${found}, and the clients need ${needed?.[0]}` };
  const names = ['main', 'lot', 'franz', 'sarama', 'member', 'franz_member', 'sarama_member'];
  const sources = names.map((name) => here(`go/${name}.go`));
  const folder = await installed('go', [module, here('go/go.sum'), ...sources], (into) =>
    run(['go', 'build', '-C', here('go'), '-o', join(into, 'interop'), '.'], INSTALL),
  );
  return { command: [join(folder, 'interop')] };
}

/** A toolchain is looked for and its clients are installed once, when the first of them is asked for. */
function once(find: () => Promise<Tool>): () => Promise<Tool> {
  let found: Promise<Tool> | undefined;
  return () => {
    found ??= find();
    return found;
  };
}

/** Python with the clients of requirements.txt. */
export const python = once(findPython);
export const go = once(findGo);
export const java = once(javaClient);

export interface ForeignClient {
  readonly name: string;
  readonly toolchain: () => Promise<Tool>;
  /** What follows the toolchain's command and stands before the role. */
  readonly args: readonly string[];
}

/** They read and write. kafkajs, which writes, and our own client need no installation. */
export const FOREIGN_CLIENTS: readonly ForeignClient[] = [
  { name: 'confluent-kafka', toolchain: python, args: [here('python/confluent.py')] },
  { name: 'aiokafka', toolchain: python, args: [here('python/aio.py')] },
  { name: 'java', toolchain: java, args: ['Interop'] },
  { name: 'franz-go', toolchain: go, args: ['franz-go'] },
  { name: 'sarama', toolchain: go, args: ['sarama'] },
];

/** Runs a client's program; its reports come in the order of the plan's lots. Throws if it fails, or reports too few. */
export async function runClient(
  command: readonly string[],
  role: 'write' | 'read',
  plan: Plan,
): Promise<LotReport[]> {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-plan-'));
  try {
    const path = join(folder, 'plan.json');
    writeFileSync(path, JSON.stringify(plan));
    const reports: LotReport[] = [];
    const onLine = (line: string) => void reports.push(JSON.parse(line) as LotReport);
    await run([...command, role, path], { onLine });
    if (reports.length !== plan.lots.length) {
      throw new Error(`${command.join(' ')} reported ${reports.length} lots of ${plan.lots.length}`);
    }
    return reports;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
