/**
 * How large a batch's records may be when not compressed, as written and as read: a small compressed batch can stand for
 * any amount of memory. The broker's `max.message.bytes` bounds the compressed size only.
 */
export const MAX_RECORDS_BYTES = 128 * 2 ** 20;
