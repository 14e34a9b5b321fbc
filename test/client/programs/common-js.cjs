// The library from CommonJS: require() where Node can require ES modules, else import().
const use = async ({ Client }, how) => {
  const client = new Client({ brokers: [process.argv[2]] });
  const { offset } = await client.producer().send({ topic: 'common-js', value: 'hello' });
  await client.close();
  console.log(JSON.stringify({ offset, how }));
};

if (process.features.require_module) use(require('odradek'), 'require');
else import('odradek').then((odradek) => use(odradek, 'import'));
