package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memberPlan is what a member of a group is told: ../README.md says what it means.
type memberPlan struct {
	Bootstrap           string
	Group               string
	Topic               string
	Assignor            string
	InstanceID          *string
	ClientID            string
	SessionTimeoutMs    int
	HeartbeatIntervalMs int
	CommitIntervalMs    int
}

func millis(count int) time.Duration { return time.Duration(count) * time.Millisecond }

func runMember(name, text string) error {
	var plan memberPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return err
	}
	// Standard input ends when the member is to leave.
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	j := &journal{processed: map[int32]int64{}, committed: map[int32]int64{}}
	switch name {
	case "franz-go":
		return runFranzMember(plan, j, stop)
	case "sarama":
		return runSaramaMember(plan, j, stop)
	}
	return fmt.Errorf("there is no client %q", name)
}

// journal prints what happens, and knows what is processed and not committed.
type journal struct {
	lock      sync.Mutex
	processed map[int32]int64
	committed map[int32]int64
}

func (j *journal) say(words ...string) {
	_, _ = io.WriteString(os.Stdout, strings.Join(words, " ")+"\n")
}

func numbers(partitions []int32) string {
	if len(partitions) == 0 {
		return "-"
	}
	words := make([]string, 0, len(partitions))
	for _, partition := range partitions {
		words = append(words, strconv.Itoa(int(partition)))
	}
	return strings.Join(words, ",")
}

func (j *journal) assigned(partitions []int32) {
	j.lock.Lock()
	defer j.lock.Unlock()
	j.say("assigned", numbers(partitions))
}

// gone is called with what is revoked or lost.
func (j *journal) gone(how string, partitions []int32) {
	j.lock.Lock()
	defer j.lock.Unlock()
	for _, partition := range partitions {
		delete(j.processed, partition)
		delete(j.committed, partition)
	}
	j.say(how, numbers(partitions))
}

// record calls mark when the record is printed, and before it counts as processed.
func (j *journal) record(partition int32, offset int64, key, value []byte, mark func()) {
	j.lock.Lock()
	defer j.lock.Unlock()
	j.say("record", strconv.Itoa(int(partition)), strconv.FormatInt(offset, 10), string(key), string(value))
	mark()
	j.processed[partition] = offset + 1
}

// uncommitted has the ends to commit, of the given partitions, or of all if there are none.
func (j *journal) uncommitted(partitions []int32) map[int32]int64 {
	j.lock.Lock()
	defer j.lock.Unlock()
	ends := map[int32]int64{}
	for partition, end := range j.processed {
		if j.committed[partition] != end && (partitions == nil || slices.Contains(partitions, partition)) {
			ends[partition] = end
		}
	}
	return ends
}

func (j *journal) didCommit(ends map[int32]int64) {
	j.lock.Lock()
	defer j.lock.Unlock()
	words := make([]string, 0, len(ends))
	for partition, end := range ends {
		j.committed[partition] = end
		words = append(words, fmt.Sprintf("%d:%d", partition, end))
	}
	j.say("committed", strings.Join(words, ","))
}

func (j *journal) commitFailed(err error) {
	j.lock.Lock()
	defer j.lock.Unlock()
	j.say("commit-failed", strings.ReplaceAll(err.Error(), "\n", " "))
}

func (j *journal) left() { j.say("left") }
