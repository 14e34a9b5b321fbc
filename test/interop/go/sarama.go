package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

type saramaClient struct {
	bootstrap string
	client    sarama.Client
	consumer  sarama.Consumer
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = "interop"
	config.Net.DialTimeout = timeout
	// A fetch that waits holds up the next one.
	config.Consumer.MaxWaitTime = 20 * time.Millisecond
	return config
}

func openSarama(bootstrap string) (*saramaClient, error) {
	client, err := sarama.NewClient([]string{bootstrap}, saramaConfig())
	if err != nil {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, err
	}
	return &saramaClient{bootstrap, client, consumer}, nil
}

// close ignores errors: everything that counts was answered before.
func (s *saramaClient) close() {
	_ = s.consumer.Close()
	_ = s.client.Close()
}

func (s *saramaClient) createTopics(lots []lot) error {
	admin, err := sarama.NewClusterAdmin([]string{s.bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	configs := map[string]*string{}
	for name, value := range topicConfig {
		configs[name] = &value
	}
	for _, l := range lots {
		detail := &sarama.TopicDetail{NumPartitions: int32(l.Partitions), ReplicationFactor: 1, ConfigEntries: configs}
		if err := admin.CreateTopic(l.Topic, detail, false); err != nil {
			return err
		}
	}
	return nil
}

func saramaProducerConfig(l lot) *sarama.Config {
	config := saramaConfig()
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.RequiredAcks = map[string]sarama.RequiredAcks{
		"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll,
	}[l.Acks]
	config.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[l.Codec]
	config.Producer.Idempotent = l.Idempotent
	if l.Idempotent {
		config.Net.MaxOpenRequests = 1
	}
	return config
}

func (s *saramaClient) write(l lot) (written int, problem error) {
	producer, err := sarama.NewAsyncProducer([]string{s.bootstrap}, saramaProducerConfig(l))
	if err != nil {
		return 0, err
	}
	records := l.all()
	go func() {
		for _, r := range records {
			producer.Input() <- saramaMessage(l.Topic, r)
		}
		producer.AsyncClose()
	}()
	failed := make(chan error, 1)
	go func() {
		var first error
		for err := range producer.Errors() {
			if first == nil {
				first = err
			}
		}
		failed <- first
	}()
	for done := range producer.Successes() {
		written++
		if expected := done.Metadata.(int64); l.Acks != "0" && done.Offset != expected && problem == nil {
			problem = fmt.Errorf("appended at %d, expected %d", done.Offset, expected)
		}
	}
	return written, errors.Join(problem, <-failed)
}

func saramaMessage(topic string, r record) *sarama.ProducerMessage {
	message := &sarama.ProducerMessage{
		Topic: topic, Partition: r.partition, Timestamp: time.UnixMilli(r.timestampMs), Metadata: r.offset,
	}
	if r.key != nil {
		message.Key = sarama.ByteEncoder(r.key)
	}
	if r.value != nil {
		message.Value = sarama.ByteEncoder(r.value)
	}
	for _, h := range r.headers {
		message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(h.name), Value: h.value})
	}
	return message
}

func (s *saramaClient) bounds(topic string, partition int32) (start, end int64, err error) {
	start, err = s.client.GetOffset(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return 0, 0, err
	}
	end, err = s.client.GetOffset(topic, partition, sarama.OffsetNewest)
	return start, end, err
}

func (s *saramaClient) read(topic string, partition int32, offset int64, count int) ([]record, error) {
	consumer, err := s.consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, err
	}
	// Errors that come while it closes are of no interest.
	defer func() { _ = consumer.Close() }()
	deadline := time.After(timeout)
	var read []record
	for len(read) < count {
		select {
		case message := <-consumer.Messages():
			read = append(read, saramaRecord(message))
		case <-deadline:
			return read, fmt.Errorf("read %d records of %d in time", len(read), count)
		}
	}
	return read, nil
}

func saramaRecord(m *sarama.ConsumerMessage) record {
	headers := make([]header, 0, len(m.Headers))
	for _, h := range m.Headers {
		headers = append(headers, header{string(h.Key), h.Value})
	}
	return record{m.Partition, m.Offset, m.Timestamp.UnixMilli(), m.Key, m.Value, headers}
}

func (s *saramaClient) offsetAt(topic string, partition int32, timestampMs int64) (int64, error) {
	return s.client.GetOffset(topic, partition, timestampMs)
}
