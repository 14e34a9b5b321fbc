package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// topicConfig: the records are older than the broker would keep them.
var topicConfig = map[string]string{"retention.ms": "-1"}

const checkedFromTheMiddle = 20

type plan struct {
	Bootstrap string `json:"bootstrap"`
	Lots      []lot  `json:"lots"`
}

// lot describes records that all clients write and read, made from a seed: ../README.md says how.
type lot struct {
	Topic            string `json:"topic"`
	Partitions       int    `json:"partitions"`
	Records          int    `json:"records"`
	Seed             uint32 `json:"seed"`
	FirstTimestampMs int64  `json:"firstTimestampMs"`
	Codec            string `json:"codec"`
	Acks             string `json:"acks"`
	Idempotent       bool   `json:"idempotent"`
	NullHeaderValues bool   `json:"nullHeaderValues"`
}

type header struct {
	name  string
	value []byte // nil: null
}

type record struct {
	partition   int32
	offset      int64
	timestampMs int64
	key         []byte // nil: null
	value       []byte // nil: null
	headers     []header
}

// draws is xorshift32.
type draws struct{ state uint32 }

func (d *draws) draw() uint32 {
	d.state ^= d.state << 13
	d.state ^= d.state >> 17
	d.state ^= d.state << 5
	return d.state
}

func (d *draws) below(end uint32) int { return int(d.draw() % end) }

func (d *draws) bytes(count int) []byte {
	words := make([]byte, (count+3)/4*4)
	for at := 0; at < len(words); at += 4 {
		binary.LittleEndian.PutUint32(words[at:], d.draw())
	}
	return words[:count]
}

func (l lot) record(index int) record {
	d := &draws{l.Seed ^ uint32(index+1)*2654435761}
	if d.state == 0 {
		d.state = 1
	}
	r := record{
		partition:   int32(index % l.Partitions),
		offset:      int64(index / l.Partitions),
		timestampMs: l.FirstTimestampMs + 10*int64(index) - 37*int64(index%7),
	}
	switch index % 25 {
	case 7:
	case 13:
		r.key = []byte{}
	default:
		r.key = d.bytes(8 + d.below(17))
	}
	switch {
	case index%25 == 3:
	case index%25 == 11:
		r.value = []byte{}
	case index%625 == 500:
		r.value = bytes.Repeat(d.bytes(60000), 15)
	default:
		r.value = d.bytes(d.below(400))
		for at, b := range r.value {
			r.value[at] = 97 + b&15
		}
	}
	for place, count := 0, d.below(4); place < count; place++ {
		h := header{name: "h" + "abc"[place:place+1]}
		if index%10 == 9 {
			h.name = "same"
		}
		kind := d.below(6)
		switch {
		case kind == 0 && l.NullHeaderValues:
		case kind <= 1:
			h.value = []byte{}
		default:
			h.value = d.bytes(1 + d.below(20))
		}
		r.headers = append(r.headers, h)
	}
	return r
}

func (l lot) all() []record {
	records := make([]record, l.Records)
	for index := range records {
		records[index] = l.record(index)
	}
	return records
}

// partition gives the lot's records in one partition, by offset.
func (l lot) partition(partition int32) []record {
	return slices.DeleteFunc(l.all(), func(r record) bool { return r.partition != partition })
}

func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func sameHeader(a, b header) bool { return a.name == b.name && sameBytes(a.value, b.value) }

// compare finds the first difference.
func compare(read, expected []record) error {
	for index := range min(len(read), len(expected)) {
		r, e := read[index], expected[index]
		switch {
		case r.partition != e.partition || r.offset != e.offset:
			return fmt.Errorf("expected partition %d, offset %d, read partition %d, offset %d", e.partition, e.offset, r.partition, r.offset)
		case r.timestampMs != e.timestampMs:
			return fmt.Errorf("partition %d, offset %d: timestamp %d", e.partition, e.offset, r.timestampMs)
		case !sameBytes(r.key, e.key):
			return fmt.Errorf("partition %d, offset %d: key", e.partition, e.offset)
		case !sameBytes(r.value, e.value):
			return fmt.Errorf("partition %d, offset %d: value", e.partition, e.offset)
		case !slices.EqualFunc(r.headers, e.headers, sameHeader):
			return fmt.Errorf("partition %d, offset %d: headers", e.partition, e.offset)
		}
	}
	if len(read) != len(expected) {
		return fmt.Errorf("read %d records, expected %d", len(read), len(expected))
	}
	return nil
}

// reader is what a client can do; check asks it for all that a reader must check.
type reader interface {
	// bounds gives the offsets of a partition's start and end.
	bounds(topic string, partition int32) (start, end int64, err error)
	// read reads count records from an offset on.
	read(topic string, partition int32, offset int64, count int) ([]record, error)
	// offsetAt looks a time up; -1: there is no such record.
	offsetAt(topic string, partition int32, timestampMs int64) (int64, error)
}

func (l lot) check(client reader) (records int, problem error) {
	for partition := range int32(l.Partitions) {
		count, err := l.checkPartition(client, partition)
		records += count
		if problem == nil {
			problem = err
		}
	}
	return records, problem
}

func (l lot) checkPartition(client reader, partition int32) (int, error) {
	expected := l.partition(partition)
	start, end, err := client.bounds(l.Topic, partition)
	if err != nil {
		return 0, err
	}
	if start != 0 {
		return 0, fmt.Errorf("partition %d begins at %d", partition, start)
	}
	read, err := client.read(l.Topic, partition, 0, int(end))
	if err == nil {
		err = compare(read, expected)
	}
	if err != nil {
		return len(read), err
	}
	offset := 2 * len(expected) / 5
	middle, err := client.read(l.Topic, partition, int64(offset), checkedFromTheMiddle)
	if err == nil {
		err = compare(middle, expected[offset:offset+checkedFromTheMiddle])
	}
	if err != nil {
		return len(read), err
	}
	return len(read), l.checkTimes(client, partition, expected)
}

func (l lot) checkTimes(client reader, partition int32, expected []record) error {
	timestampMs := expected[3*len(expected)/5].timestampMs + 1
	late := int64(0)
	for _, r := range expected {
		late = max(late, r.timestampMs+1)
	}
	offset := slices.IndexFunc(expected, func(r record) bool { return r.timestampMs >= timestampMs })
	for _, wanted := range []struct{ timestampMs, offset int64 }{{timestampMs, int64(offset)}, {0, 0}, {late, -1}} {
		found, err := client.offsetAt(l.Topic, partition, wanted.timestampMs)
		if err != nil {
			return err
		}
		if found != wanted.offset {
			return fmt.Errorf("partition %d: offset %d for time %d, not %d", partition, found, wanted.timestampMs, wanted.offset)
		}
	}
	read, err := client.read(l.Topic, partition, int64(offset), checkedFromTheMiddle)
	if err != nil {
		return err
	}
	return compare(read, expected[offset:offset+checkedFromTheMiddle])
}

func loadPlan(path string) (p plan, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}

func report(l lot, records int, problem error) error {
	line := struct {
		Topic   string  `json:"topic"`
		Records int     `json:"records"`
		Problem *string `json:"problem"`
	}{Topic: l.Topic, Records: records}
	if problem != nil {
		text := problem.Error()
		line.Problem = &text
	}
	return json.NewEncoder(os.Stdout).Encode(line)
}
