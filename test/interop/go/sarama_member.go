package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"
)

// saramaMember handles the claims of a group; each claim has a goroutine of its own.
type saramaMember struct {
	plan    memberPlan
	journal *journal
	// committing is held by the one that commits.
	committing chan struct{}
}

func (m *saramaMember) config() *sarama.Config {
	strategies := map[string]sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange(), "cooperative": sarama.NewBalanceStrategyCooperativeSticky(),
	}
	config := saramaConfig()
	config.ClientID = m.plan.ClientID
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[m.plan.Assignor]}
	config.Consumer.Group.Session.Timeout = millis(m.plan.SessionTimeoutMs)
	config.Consumer.Group.Heartbeat.Interval = millis(m.plan.HeartbeatIntervalMs)
	if m.plan.InstanceID != nil {
		config.Consumer.Group.InstanceId = *m.plan.InstanceID
	}
	return config
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	go func() {
		ticker := time.NewTicker(max(millis(m.plan.CommitIntervalMs), time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-session.Context().Done():
				return
			case <-ticker.C:
				m.commit(session, nil)
			}
		}
	}()
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// commit has no answer: what is wrong comes by Errors.
func (m *saramaMember) commit(session sarama.ConsumerGroupSession, partitions []int32) {
	m.committing <- struct{}{}
	defer func() { <-m.committing }()
	ends := m.journal.uncommitted(partitions)
	if len(ends) == 0 {
		return
	}
	session.Commit()
	m.journal.didCommit(ends)
}

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	own := []int32{claim.Partition()}
	m.journal.assigned(own)
	defer func() {
		m.commit(session, own)
		m.journal.gone("revoked", own)
	}()
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.journal.record(message.Partition, message.Offset, message.Key, message.Value, func() {
				session.MarkMessage(message, "")
			})
		case <-session.Context().Done():
			return nil
		}
	}
}

func runSaramaMember(plan memberPlan, j *journal, stop <-chan struct{}) error {
	m := &saramaMember{plan, j, make(chan struct{}, 1)}
	group, err := sarama.NewConsumerGroup([]string{plan.Bootstrap}, plan.Group, m.config())
	if err != nil {
		return err
	}
	go func() {
		for err := range group.Errors() {
			j.commitFailed(err)
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-stop
		cancel()
	}()
	for ctx.Err() == nil {
		// A session ends with each rebalance.
		err := group.Consume(ctx, []string{plan.Topic}, m)
		if err != nil && !errors.Is(err, context.Canceled) {
			j.commitFailed(err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	if err := group.Close(); err != nil {
		return err
	}
	j.left()
	return nil
}
