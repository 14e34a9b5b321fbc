"""A small client of Odradek's native protocol: sockets, protobuf, and nothing else. It shows what a client has to do, in the
order of docs/protocol.md; one request at a time, one broker, no retries.

The messages are generated from proto/odradek.proto, either by `protoc --python_out=. -I ../../proto odradek.proto` or by
`python -m grpc_tools.protoc` with the same arguments.
"""
import socket
import struct
from collections import deque
from typing import Iterator, Optional

import odradek_pb2 as pb
from record_batch import Record, decode_batches, encode_batch

FRAME = struct.Struct('>II')


class BrokerError(Exception):
    def __init__(self, error: pb.Error):
        super().__init__(f'{error.name}: {error.message}')
        self.name = error.name
        self.retriable = error.retriable


class Client:
    def __init__(self, host: str, port: int, client_id: str = 'python', timeout: float = 30):
        self._socket = socket.create_connection((host, port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation_id = 0
        self._pushes: deque[tuple[pb.Push, bytes]] = deque()
        hello = pb.HelloRequest(version_min=1, version_max=1, client_software='odradek-python-example', client_id=client_id)
        self.hello: pb.HelloResponse = self.request(hello=hello)[0].hello

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- frames

    def request(self, payload: bytes = b'', **body: object) -> tuple[pb.ResponseHeader, bytes]:
        """Sends a request, as `request(ping=PingRequest())`, and waits for its answer: header and payload."""
        self._correlation_id += 1
        self._send(pb.RequestHeader(correlation_id=self._correlation_id, **body), payload)
        while True:
            header, answer = self._receive()
            if header.WhichOneof('body') == 'push':
                self._pushes.append((header.push, answer))
                continue
            if header.HasField('error'):
                raise BrokerError(header.error)
            if header.correlation_id != self._correlation_id:
                raise ValueError(f'an answer to request {header.correlation_id}, which was not sent')
            return header, answer

    def _send(self, header: pb.RequestHeader, payload: bytes = b'') -> None:
        encoded = header.SerializeToString()
        # The first length counts what follows it: the second length, the header and the payload.
        self._socket.sendall(FRAME.pack(4 + len(encoded) + len(payload), len(encoded)) + encoded + payload)

    def _receive(self) -> tuple[pb.ResponseHeader, bytes]:
        frame_bytes, header_bytes = FRAME.unpack(self._exactly(FRAME.size))
        header = pb.ResponseHeader.FromString(self._exactly(header_bytes))
        return header, self._exactly(frame_bytes - 4 - header_bytes)

    def _exactly(self, count: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < count:
            chunk = self._socket.recv(count - len(chunks))
            if not chunk:
                raise ConnectionError('the broker closed the connection')
            chunks += chunk
        return bytes(chunks)

    # ---- topics

    def create_topic(self, name: str, partitions: int = 1) -> pb.TopicMetadata:
        create = pb.CreateTopicRequest(name=name, partitions=partitions)
        return self.request(create_topic=create)[0].create_topic.topic

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset, and the one behind the last."""
        place = {'topic': topic, 'partition': partition}
        found = []
        for position in ({'earliest': True}, {'latest': True}):
            ask = pb.ListOffsetsRequest(partitions=[pb.ListOffsetsPartition(**place, **position)])
            result = self.request(list_offsets=ask)[0].list_offsets.partitions[0]
            self._check(result)
            found.append(result.offset)
        return found[0], found[1]

    # ---- produce and fetch

    def produce(self, topic: str, partition: int, records: list[Record], use_gzip: bool = False) -> int:
        """Appends the records as one batch, and returns the offset of the first."""
        batch = encode_batch(records, use_gzip)
        place = pb.ProducePartition(topic=topic, partition=partition, records_bytes=len(batch))
        ask = pb.ProduceRequest(acks=pb.ProduceRequest.ALL, partitions=[place])
        result = self.request(payload=batch, produce=ask)[0].produce.partitions[0]
        self._check(result)
        return result.base_offset

    def fetch(self, topic: str, partition: int, offset: int, max_wait_ms: int = 500) -> list[Record]:
        """Some records from the offset on; none if none came in time."""
        place = pb.FetchPartition(topic=topic, partition=partition, offset=offset)
        ask = pb.FetchRequest(min_bytes=1, max_wait_ms=max_wait_ms, max_bytes=1 << 20, partitions=[place])
        header, payload = self.request(fetch=ask)
        self._check(header.fetch.partitions[0])
        # Batches come whole: the first may begin with records before the offset.
        return [record for record in decode_batches(payload) if record.offset >= offset]

    # ---- subscriptions

    @property
    def can_subscribe(self) -> bool:
        return 'subscriptions' in self.hello.features

    def subscribe(self, topic: str, partition: int, offset: int, credit_bytes: int = 65536) -> Iterator[Record]:
        """Records as they come, for ever. What was handed on is granted again: at most the credit, and one batch, waits here."""
        stream = pb.StreamStart(stream_id=1, topic=topic, partition=partition, offset=offset)
        subscribe = pb.SubscribeRequest(subscription_id=1, credit_bytes=credit_bytes, streams=[stream])
        self.request(subscribe=subscribe)
        try:
            while True:
                push, payload = self._pushes.popleft() if self._pushes else self._next_push()
                self._check(push)
                yield from (record for record in decode_batches(payload) if record.offset >= offset)
                if payload:
                    grant = pb.GrantCreditRequest(subscription_id=1, credit_bytes=len(payload))
                    self._send(pb.RequestHeader(grant_credit=grant))
        finally:
            self.request(unsubscribe=pb.UnsubscribeRequest(subscription_id=1))
            self._pushes.clear()

    def _next_push(self) -> tuple[pb.Push, bytes]:
        header, payload = self._receive()
        if header.WhichOneof('body') != 'push':
            raise ValueError(f'an answer to request {header.correlation_id}, which nobody waits for')
        return header.push, payload

    @staticmethod
    def _check(result: object) -> None:
        error: Optional[pb.Error] = result.error if result.HasField('error') else None
        if error:
            raise BrokerError(error)
