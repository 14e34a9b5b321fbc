// Program interop is franz-go and sarama as writers and as readers of lots: interop franz-go|sarama write|read PLAN.
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
	for _, l := range p.Lots {
		records, problem := act(l)
		if err := report(l, records, problem); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 4 || os.Args[2] != "write" && os.Args[2] != "read" {
		fmt.Fprintln(os.Stderr, "usage: interop franz-go|sarama write|read PLAN")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
