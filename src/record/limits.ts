/**
 * How large a batch's records may be when not compressed, as written and as read: a small compressed batch can stand for
 * any amount of memory. The broker's `max.message.bytes` bounds the compressed size only.
 */
export const MAX_RECORDS_BYTES = 128 * 2 ** 20;

/**
 * The same for topics that are compacted, whose compressed batches are inflated before they are appended: on the thread that
 * appends for others too, which is held up by a batch of this size for about 0.1 s.
 */
export const MAX_COMPACTED_RECORDS_BYTES = 32 * 2 ** 20;
