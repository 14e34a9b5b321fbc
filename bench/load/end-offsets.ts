import type { WireConnection } from './wire-connection.js';

/** The ends of partitions 0 … of a topic, as the broker says. */
export async function endOffsets(
  connection: WireConnection,
  topic: string,
  partitions: number,
): Promise<number[]> {
  const answer = await connection.ask({
    type: 'listOffsets',
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      topic,
      partition,
      position: 'latest',
    })),
  });
  return answer.partitions.map(({ error, offset, partition }) => {
    if (error) throw new Error(`${topic}-${partition}: ${error.error}`);
    return offset;
  });
}
