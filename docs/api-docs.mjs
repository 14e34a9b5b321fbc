// Makes docs/api/*.md of the docstrings of what the package exports, from the declarations in dist/. `npm run docs` writes
// the files; a test compares them.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = join(ROOT, 'docs/api');

/** Page → its title and the modules whose exports it has, in their order. What no page names comes to the last one. */
const PAGES = {
  client: ['Client', ['client/client', 'client/client-observer']],
  producer: [
    'Producer',
    ['client/producer', 'client/producer-options', 'client/partitioner', 'client/message-writable'],
  ],
  consumer: ['Consumer', ['client/consumer', 'client/consumer-options']],
  messages: ['Messages', ['client/message', 'record/record']],
  formats: ['Formats of keys and values', ['client/format', 'client/standard-schema']],
  admin: ['Admin', ['client/admin', 'client/group-admin']],
  errors: ['Errors', ['base/errors', 'client/delivery', 'client/unreadable-error', 'client/advice']],
  testing: ['A broker for tests', ['testing/start-broker']],
  more: ['More', []],
};
const LAST_PAGE = 'more';

/** The entry points of the package, as package.json has them. */
const ENTRIES = { odradek: 'client/index', 'odradek/testing': 'testing/index' };

const declarationsOf = (module) => readFileSync(join(ROOT, 'dist/src', `${module}.d.ts`), 'utf8');

/** The exports of an entry point: `{ name, module }`. */
function exportsOf(entry) {
  const found = [];
  for (const [, names, from] of declarationsOf(entry).matchAll(
    /export (?:type )?\{([^}]*)\} from '([^']+)'/g,
  )) {
    const module = join(dirname(entry), from.replace(/\.js$/, '')).replaceAll('\\', '/');
    for (const name of names.split(',')) {
      if (name.trim() !== '') found.push({ name: name.replace(/^\s*type /, '').trim(), module });
    }
  }
  return found;
}

/** Cuts declarations into items: the docstring, and the text up to the line that ends it at this indentation. */
function itemsIn(text, indent) {
  const items = [];
  const lines = text.split('\n');
  let doc = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at].slice(indent);
    if (line.startsWith('/**')) {
      doc = [];
      while (!lines[at].includes('*/')) doc.push(lines[at++]);
      doc.push(lines[at]);
      continue;
    }
    if (line === '' || line.startsWith('import ') || line.startsWith('//')) continue;
    const start = at;
    // An item ends with a semicolon or brace at its own indentation.
    while (at < lines.length - 1 && !isEnd(lines[at].slice(indent), at === start)) at++;
    items.push({
      doc: docstring(doc),
      text: lines
        .slice(start, at + 1)
        .map((each) => each.slice(indent))
        .join('\n'),
    });
    doc = [];
  }
  return items;
}

const isEnd = (line, isFirst) =>
  isFirst ? /;$|\}$/.test(line) : /^[})\]].*[;}]$|^\}$/.test(line) || /^[^\s].*;$/.test(line);

/** A docstring as Markdown: `{ body, example, throws }`. */
function docstring(lines) {
  const text = lines
    .map((line) => line.replace(/^\s*(\/\*\*|\*\/|\*)? ?/, '').replace(/\s*\*\/\s*$/, ''))
    .join('\n')
    .trim();
  const [body = '', ...tags] = text.split(/^@(?=\w)/m);
  const found = { body: prose(body), example: '', throws: '' };
  for (const tag of tags) {
    const content = tag.replace(/^\w+\s*/, '').trim();
    if (tag.startsWith('example')) found.example = content.replace(/^```\w*\n|\n```$/g, '');
    else if (tag.startsWith('throws')) found.throws = prose(content.replace(/^\{(\w+)\}/, '$1'));
  }
  return found;
}

const prose = (text) =>
  text
    .replace(/\{@link ([^}]+)\}/g, '`$1`')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s*\n\s*/g, ' ').trim())
    .join('\n\n')
    .trim();

const code = (text) => `\`\`\`ts\n${text}\n\`\`\``;

/** The name that a declaration or member declares. */
const nameOf = (text) =>
  /(?:class|interface|function|type|const|enum)\s+(\w+)/.exec(text)?.[1] ?? text.replace(/^[^\w[]+/, '');

function describe({ body, example, throws }) {
  return [body, throws && `*Throws* ${throws}`, example && `Example:\n\n${code(example)}`].filter(Boolean);
}

/** `export declare class A<B> extends C {` as people would write it. */
const shown = (text) => text.replace(/^export (declare )?/, '').replace(/^(class|interface) /, '$1 ');

/** The Markdown of one export. */
function section(name, declarations) {
  const items = itemsIn(declarations, 0).filter(({ text }) =>
    new RegExp(`\\b${name}\\b`).test(nameOf(text.split('\n')[0])),
  );
  if (items.length === 0) throw new Error(`dist/ has no declaration of ${name}: build first`);
  const parts = [`## ${name}`];
  const [first] = items;
  if (items.length > 1) {
    parts.push(
      code(items.map(({ text }) => shown(text)).join('\n')),
      ...items.flatMap(({ doc }) => describe(doc)),
    );
    return parts.join('\n\n');
  }
  const header = first.text.split('\n')[0];
  const isStructure = /\b(class|interface)\b.*\{$/.test(header);
  parts.push(
    code(isStructure ? shown(header).replace(/\s*\{$/, '') : shown(first.text)),
    ...describe(first.doc),
  );
  if (isStructure)
    parts.push(...members(first.text.split('\n').slice(1, -1).join('\n'), /\bclass\b/.test(header)));
  return parts.filter(Boolean).join('\n\n');
}

function members(text, isClass) {
  const items = itemsIn(text, 4).filter(
    ({ text: member }) => !/^(#private|private |\[Symbol\.|constructor\(cluster)/.test(member),
  );
  if (!isClass) {
    return [
      items
        .map(
          ({ doc, text: member }) =>
            `- ${inline(member)}${doc.body === '' ? '' : `: ${doc.body.replaceAll('\n\n', ' ')}`}`,
        )
        .join('\n'),
    ];
  }
  // Overloads share the docstring of the first.
  const groups = new Map();
  for (const { doc, text: member } of items) {
    const name = /^(?:readonly |static |get |set |override |async )*(\w+)/.exec(member)?.[1] ?? member;
    const group = groups.get(name) ?? { doc, texts: [] };
    group.texts.push(member);
    groups.set(name, group);
  }
  return [...groups].flatMap(([name, { doc, texts }]) => [
    `### ${name}`,
    code(texts.join('\n')),
    ...describe(doc),
  ]);
}

/** `readonly name?: type | undefined;` as the start of a list item. */
function inline(member) {
  const text = member
    .replace(/;$/, '')
    .replace(/^readonly /, '')
    .replace(/\s+/g, ' ');
  const [, name, rest] = /^([\w'.-]+\??)(.*)$/.exec(text) ?? [];
  return name ? `**${name}** \`${rest.replace(/^: /, '').replace(/ \| undefined$/, '')}\`` : `\`${text}\``;
}

/** File name → text of every page. */
export function apiPages() {
  const pages = new Map(Object.keys(PAGES).map((page) => [page, []]));
  const pageOf = new Map(
    Object.entries(PAGES).flatMap(([page, [, modules]]) => modules.map((module) => [module, page])),
  );
  for (const [entry, index] of Object.entries(ENTRIES)) {
    for (const { name, module } of exportsOf(index))
      pages.get(pageOf.get(module) ?? LAST_PAGE)?.push({ entry, name, module });
  }
  const files = new Map();
  const list = [];
  for (const [page, items] of pages) {
    const [title, order] = PAGES[page];
    items.sort((a, b) => order.indexOf(a.module) - order.indexOf(b.module));
    const entry = items[0]?.entry ?? 'odradek';
    const sections = items.map(({ name, module }) => section(name, declarationsOf(module)));
    files.set(
      `${page}.md`,
      `# ${title}\n\nExported by \`${entry}\`. Made from the sources: \`npm run docs\`.\n\n${sections.join('\n\n')}\n`,
    );
    list.push(
      `- [${title}](${page}.md): ${items.map(({ name }) => `[${name}](${page}.md#${name.toLowerCase()})`).join(', ')}`,
    );
  }
  files.set(
    'README.md',
    `# The library, name by name\n\n[docs/client.md](../client.md) is the way in. Made from the sources: \`npm run docs\`.\n\n${list.join('\n')}\n`,
  );
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = apiPages();
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER)) if (!files.has(name)) rmSync(join(FOLDER, name));
  for (const [name, text] of files) writeFileSync(join(FOLDER, name), text);
  console.log(`${files.size} files in ${relative(process.cwd(), FOLDER)}`);
}
