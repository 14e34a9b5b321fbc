// Bounds of the group coordinator that no setting moves.

/** Groups of one shard, the simple ones too. */
export const GROUPS_MAX = 100_000;
/** Ids of a shard that were given out and not come back with. */
export const PENDING_MEMBERS_MAX = 10_000;
/** Ids and names, in UTF-8: well within what a record can hold when some are put together. */
export const NAME_BYTES_MAX = 4_096;
/** Protocols that a member supports. */
export const PROTOCOLS_MAX = 100;
/** What a member says for all its protocols together. */
export const MEMBER_METADATA_BYTES_MAX = 1024 * 1024;
/** What the members of a group take in memory together. */
export const GROUP_MEMBER_BYTES_MAX = 16 * 1024 * 1024;
/** The same for all groups of a shard. */
export const SHARD_MEMBER_BYTES_MAX = 128 * 1024 * 1024;
/** A member that joins for the first time has no heartbeat yet; if the group is not complete by then, it has to come again. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000;
/** How long a group of static members, none of which has joined, waits at least before it looks again: a client may say 0. */
export const STATIC_MEMBERS_WAIT_MS_MIN = 1_000;
/** Tombstones go to the log in pieces of about so many bytes. */
export const TOMBSTONES_BYTES = 128 * 1024;
/** Offsets that a turn of the expiry looks at. */
export const EXPIRY_OFFSETS_PER_TURN = 20_000;
/** How long the expiry rests between turns. */
export const EXPIRY_PAUSE_MS = 5;

export const isName = (text: string): boolean =>
  text.length <= NAME_BYTES_MAX / 3 || Buffer.byteLength(text) <= NAME_BYTES_MAX;
