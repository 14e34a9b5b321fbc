// Sends, and closes nothing: the process ends by itself when the message is acknowledged.
import { Client } from 'odradek';

const client = new Client({ brokers: [process.argv[2]] });
client
  .producer()
  .send({ topic: 'forgotten', value: 'hello' })
  .then(({ offset }) => console.log(JSON.stringify({ offset })));
