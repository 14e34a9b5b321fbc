// Waits for two messages, and closes nothing. Says when it has the first; the second is sent only then.
import { Client } from 'odradek';

const values = [];
const waiting = (async () => {
  const client = new Client({ brokers: [process.argv[2]] });
  for await (const { value } of client.consumer({ topic: 'awaited' })) {
    values.push(String(value));
    if (values.length === 2) break;
    process.stdout.write('\n');
  }
})();
waiting.then(() => console.log(JSON.stringify(values)));
