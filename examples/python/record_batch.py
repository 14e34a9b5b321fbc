"""Kafka's RecordBatch v2 (magic 2), which the payloads of the native protocol consist of. Uncompressed and gzip only.

    at  size  field                  (all integers big-endian)
     0   8    base offset            a producer sends 0
     8   4    batch length           bytes after this field
    12   4    partition leader epoch a producer sends -1
    16   1    magic                  2
    17   4    CRC-32C                of everything from 21 on
    21   2    attributes             bits 0-2: codec (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd); bit 3: LogAppendTime;
                                     bit 4: transactional; bit 5: control
    23   4    last offset delta
    27   8    base timestamp         milliseconds since 1970
    35   8    max timestamp
    43   8    producer id            -1: none
    51   2    producer epoch         -1: none
    53   4    base sequence          -1: none
    57   4    record count
    61   ...  records                compressed as a whole, if they are

Each record: length, attributes (one byte, 0), timestamp delta, offset delta, key length, key, value length, value, header
count, headers. Lengths, counts and deltas are zigzag varints; -1 is the length of what is null.
"""
import gzip
import struct
from typing import Iterator, NamedTuple, Optional

HEADER = struct.Struct('>qiibIhiqqqhii')
PREFIX_BYTES = 12
CRC_START = 21
LOG_APPEND_TIME = 0x08
CONTROL = 0x20


class Record(NamedTuple):
    offset: int
    timestamp_ms: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple[tuple[str, Optional[bytes]], ...] = ()


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _varint(number: int) -> bytes:
    number = number << 1 if number >= 0 else (-number << 1) - 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _field(data: Optional[bytes]) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def encode_batch(records: list[Record], use_gzip: bool = False) -> bytes:
    """One batch of the records; their offsets do not matter."""
    base_ms = records[0].timestamp_ms
    body = bytearray()
    for index, record in enumerate(records):
        encoded = b'\0' + _varint(record.timestamp_ms - base_ms) + _varint(index)
        encoded += _field(record.key) + _field(record.value) + _varint(len(record.headers))
        for name, value in record.headers:
            encoded += _field(name.encode()) + _field(value)
        body += _varint(len(encoded)) + encoded
    payload = gzip.compress(bytes(body)) if use_gzip else bytes(body)
    max_ms = max(record.timestamp_ms for record in records)
    last = len(records) - 1
    length = HEADER.size - PREFIX_BYTES + len(payload)
    fields = (int(use_gzip), last, base_ms, max_ms, -1, -1, -1, len(records))
    batch = bytearray(HEADER.pack(0, length, -1, 2, 0, *fields) + payload)
    struct.pack_into('>I', batch, 17, crc32c(batch[CRC_START:]))
    return bytes(batch)


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        start = self.position
        self.position += count
        if self.position > len(self.data):
            raise ValueError('a record ends too early')
        return self.data[start : self.position]

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number >> 1 ^ -(number & 1)

    def field(self) -> Optional[bytes]:
        length = self.varint()
        return None if length < 0 else self.take(length)


def decode_batches(payload: bytes) -> Iterator[Record]:
    """The records of all batches; raises ValueError if one is damaged or compressed in a way that this client lacks."""
    start = 0
    while start < len(payload):
        header = HEADER.unpack_from(payload, start)
        base_offset, length, _, magic, crc, attributes, _, base_ms, max_ms, *_, count = header
        end = start + PREFIX_BYTES + length
        if magic != 2 or end > len(payload):
            raise ValueError(f'no whole batch of magic 2 at {start}')
        if crc32c(payload[start + CRC_START : end]) != crc:
            raise ValueError(f'the batch at offset {base_offset} is damaged')
        body = payload[start + HEADER.size : end]
        start = end
        if attributes & CONTROL:
            continue
        if attributes & 7 == 1:
            body = gzip.decompress(body)
        elif attributes & 7:
            raise ValueError(f'the batch at offset {base_offset} has codec {attributes & 7}')
        reader = _Reader(body)
        for _ in range(count):
            reader.varint()
            reader.take(1)
            timestamp_ms = base_ms + reader.varint()
            offset = base_offset + reader.varint()
            key, value = reader.field(), reader.field()
            headers = tuple(((reader.field() or b'').decode(), reader.field()) for _ in range(reader.varint()))
            yield Record(offset, max_ms if attributes & LOG_APPEND_TIME else timestamp_ms, key, value, headers)
