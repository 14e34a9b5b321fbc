// Program interop is franz-go and sarama as writers and readers of lots, and as members of groups: interop
// franz-go|sarama write|read|member PLAN.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const timeout = 30 * time.Second

type client interface {
	reader
	// createTopics creates the lots' topics.
	createTopics(lots []lot) error
	// write sends the lot's records and checks that each was appended at its offset.
	write(l lot) (int, error)
	close()
}

func open(ctx context.Context, name, bootstrap string) (client, error) {
	switch name {
	case "franz-go":
		return openFranz(ctx, bootstrap)
	case "sarama":
		return openSarama(bootstrap)
	}
	return nil, fmt.Errorf("there is no client %q", name)
}

func run(name, role, path string) error {
	p, err := loadPlan(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*timeout)
	defer cancel()
	c, err := open(ctx, name, p.Bootstrap)
	if err != nil {
		return err
	}
	defer c.close()
	act := func(l lot) (int, error) { return l.check(c) }
	if role == "write" {
		act = c.write
		if err := c.createTopics(p.Lots); err != nil {
			return err
		}
	}
	return inParallel(p.Lots, act)
}

// inParallel works on some lots at a time, because much of a client's time is waiting, and reports them in their order.
func inParallel(lots []lot, act func(lot) (int, error)) error {
	type result struct {
		records int
		problem error
	}
	const atATime = 8
	turns := make(chan struct{}, atATime)
	results := make([]chan result, len(lots))
	for index, l := range lots {
		results[index] = make(chan result, 1)
		go func() {
			turns <- struct{}{}
			records, problem := act(l)
			<-turns
			results[index] <- result{records, problem}
		}()
	}
	for index, l := range lots {
		done := <-results[index]
		if err := report(l, done.records, done.problem); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	roles := map[string]func(name, plan string) error{
		"write":  func(name, path string) error { return run(name, "write", path) },
		"read":   func(name, path string) error { return run(name, "read", path) },
		"member": runMember,
	}
	if len(os.Args) != 4 || roles[os.Args[2]] == nil {
		fmt.Fprintln(os.Stderr, "usage: interop franz-go|sarama write|read|member PLAN")
		os.Exit(2)
	}
	if err := roles[os.Args[2]](os.Args[1], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
