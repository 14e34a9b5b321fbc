/**
 * The partition of an internal topic that coordinates a group, so that tools of Kafka look for its offsets in the right
 * place: Java's hash of the name's UTF-16 units, without its sign, modulo the partitions. Source: Kafka, Utils.abs.
 */
export function partitionFor(groupId: string, partitions: number): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(31, hash) + groupId.charCodeAt(i)) | 0;
  return (hash & 0x7fffffff) % partitions;
}
