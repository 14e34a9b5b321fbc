package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const franzPoll = 100 * time.Millisecond

type franzMember struct {
	plan    memberPlan
	journal *journal
}

func (m *franzMember) options() []kgo.Opt {
	balancers := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "cooperative": kgo.CooperativeStickyBalancer(),
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(m.plan.Bootstrap),
		kgo.ClientID(m.plan.ClientID),
		kgo.ConsumerGroup(m.plan.Group),
		kgo.ConsumeTopics(m.plan.Topic),
		kgo.Balancers(balancers[m.plan.Assignor]),
		kgo.SessionTimeout(millis(m.plan.SessionTimeoutMs)),
		kgo.HeartbeatInterval(millis(m.plan.HeartbeatIntervalMs)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// What a poll returned is processed before its partitions go.
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxWait(franzPoll),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) {
			m.journal.assigned(assigned[m.plan.Topic])
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, revoked map[string][]int32) {
			m.commit(ctx, client, revoked[m.plan.Topic])
			m.journal.gone("revoked", revoked[m.plan.Topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			m.journal.gone("lost", lost[m.plan.Topic])
		}),
	}
	if m.plan.InstanceID != nil {
		options = append(options, kgo.InstanceID(*m.plan.InstanceID))
	}
	return options
}

func (m *franzMember) commit(ctx context.Context, client *kgo.Client, partitions []int32) {
	ends := m.journal.uncommitted(partitions)
	if len(ends) == 0 {
		return
	}
	offsets := map[int32]kgo.EpochOffset{}
	for partition, end := range ends {
		offsets[partition] = kgo.EpochOffset{Epoch: -1, Offset: end}
	}
	client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.plan.Topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				m.journal.commitFailed(err)
				return
			}
			for _, topic := range answer.Topics {
				for _, partition := range topic.Partitions {
					if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
						m.journal.commitFailed(err)
						delete(ends, partition.Partition)
					}
				}
			}
			if len(ends) > 0 {
				m.journal.didCommit(ends)
			}
		})
}

func runFranzMember(plan memberPlan, j *journal, stop <-chan struct{}) error {
	m := &franzMember{plan, j}
	client, err := kgo.NewClient(m.options()...)
	if err != nil {
		return err
	}
	ctx := context.Background()
	due := time.Now()
	for running := true; running; {
		polling, cancel := context.WithTimeout(ctx, franzPoll)
		fetches := client.PollFetches(polling)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) { j.record(r.Partition, r.Offset, r.Key, r.Value, func() {}) })
		if time.Now().After(due) {
			m.commit(ctx, client, nil)
			due = time.Now().Add(millis(plan.CommitIntervalMs))
		}
		client.AllowRebalance()
		select {
		case <-stop:
			running = false
		default:
		}
	}
	// Revokes, which commits, and leaves unless the member is static.
	client.CloseAllowingRebalance()
	j.left()
	return nil
}
