package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franz struct {
	ctx       context.Context
	bootstrap string
	client    *kgo.Client
	admin     *kadm.Client
}

func openFranz(ctx context.Context, bootstrap string) (*franz, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	return &franz{ctx, bootstrap, client, kadm.NewClient(client)}, nil
}

func (f *franz) close() { f.client.Close() }

func (f *franz) createTopics(lots []lot) error {
	configs := map[string]*string{}
	for name, value := range topicConfig {
		configs[name] = &value
	}
	for _, l := range lots {
		if _, err := f.admin.CreateTopic(f.ctx, int32(l.Partitions), 1, configs, l.Topic); err != nil {
			return err
		}
	}
	return nil
}

func franzOptions(l lot) []kgo.Opt {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[l.Codec]),
		kgo.RequiredAcks(acks[l.Acks]),
	}
	if !l.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	return options
}

func (f *franz) write(l lot) (int, error) {
	client, err := kgo.NewClient(append(franzOptions(l), kgo.SeedBrokers(f.bootstrap))...)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var problem error
	written := 0
	for _, r := range l.all() {
		headers := make([]kgo.RecordHeader, 0, len(r.headers))
		for _, h := range r.headers {
			headers = append(headers, kgo.RecordHeader{Key: h.name, Value: h.value})
		}
		sent := &kgo.Record{
			Topic: l.Topic, Partition: r.partition, Timestamp: time.UnixMilli(r.timestampMs),
			Key: r.key, Value: r.value, Headers: headers,
		}
		// Promises are kept one after the other, and all before Flush returns.
		client.Produce(f.ctx, sent, func(done *kgo.Record, err error) {
			if err == nil && l.Acks != "0" && done.Offset != r.offset {
				err = fmt.Errorf("appended at %d, expected %d", done.Offset, r.offset)
			}
			if problem == nil {
				problem = err
			}
			written++
		})
	}
	if err := client.Flush(f.ctx); err != nil {
		return written, err
	}
	return written, problem
}

func (f *franz) bounds(topic string, partition int32) (start, end int64, err error) {
	starts, err := f.admin.ListStartOffsets(f.ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	ends, err := f.admin.ListEndOffsets(f.ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	first, _ := starts.Lookup(topic, partition)
	last, _ := ends.Lookup(topic, partition)
	if first.Err != nil || last.Err != nil {
		return 0, 0, fmt.Errorf("bounds: %v, %v", first.Err, last.Err)
	}
	return first.Offset, last.Offset, nil
}

func (f *franz) read(topic string, partition int32, offset int64, count int) ([]record, error) {
	from := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(f.bootstrap),
		kgo.ConsumePartitions(from),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(f.ctx, timeout)
	defer cancel()
	var read []record
	for len(read) < count {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return read, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if len(read) < count {
				read = append(read, franzRecord(r))
			}
		})
	}
	return read, nil
}

func franzRecord(r *kgo.Record) record {
	headers := make([]header, 0, len(r.Headers))
	for _, h := range r.Headers {
		headers = append(headers, header{h.Key, h.Value})
	}
	return record{r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, headers}
}

func (f *franz) offsetAt(topic string, partition int32, timestampMs int64) (int64, error) {
	listed, err := f.admin.ListOffsetsAfterMilli(f.ctx, timestampMs, topic)
	if err != nil {
		return 0, err
	}
	found, _ := listed.Lookup(topic, partition)
	// Where there is no such record it looks up the end, which has no time.
	if found.Err == nil && found.Timestamp < 0 {
		return -1, nil
	}
	return found.Offset, found.Err
}
