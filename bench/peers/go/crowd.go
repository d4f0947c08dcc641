package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"

	"github.com/jackc/puddle/v2"
)

const (
	few   = 2
	every = 16
)

type member struct {
	rounds int
	waited []time.Duration
}

// takeAndGive lends as fast as it can until then. Every 16th time is timed, and the first connection is held until the
// others have asked.
func takeAndGive(pool *puddle.Pool[*connection], until time.Time, done chan<- member) {
	ctx := context.Background()
	var m member
	begun := time.Now()
	first, err := pool.Acquire(ctx)
	must(err)
	m.waited = append(m.waited, time.Since(begun))
	runtime.Gosched()
	first.Release()
	for {
		for range every - 1 {
			resource, err := pool.Acquire(ctx)
			must(err)
			resource.Release()
		}
		begun := time.Now()
		resource, err := pool.Acquire(ctx)
		must(err)
		now := time.Now()
		resource.Release()
		m.waited = append(m.waited, now.Sub(begun))
		m.rounds += every
		if now.After(until) {
			done <- m
			return
		}
	}
}

func quantile(waited []time.Duration, percent int) int64 {
	sort.Slice(waited, func(i, j int) bool { return waited[i] < waited[j] })
	return waited[len(waited)*percent/100].Nanoseconds()
}

// crowd answers lines with a time in us, for bench/waits.lua: goroutines for two connections, on one processor.
func crowd(goroutines int) {
	runtime.GOMAXPROCS(1)
	ctx := context.Background()
	pool, err := puddle.NewPool(&puddle.Config[*connection]{
		Constructor: func(context.Context) (*connection, error) { return &connection{1}, nil },
		Destructor:  func(*connection) {},
		MaxSize:     few,
	})
	must(err)
	for range few {
		must(pool.CreateResource(ctx))
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		span, err := strconv.Atoi(lines.Text())
		must(err)
		done := make(chan member, goroutines)
		begun := time.Now()
		for range goroutines {
			go takeAndGive(pool, begun.Add(time.Duration(span)*time.Microsecond), done)
		}
		all, slowest, fastest := 0, int(^uint(0)>>1), 0
		var waited []time.Duration
		worst := int64(0)
		for range goroutines {
			m := <-done
			all, slowest, fastest = all+m.rounds, min(slowest, m.rounds), max(fastest, m.rounds)
			worst = max(worst, quantile(m.waited, 99))
			waited = append(waited, m.waited...)
		}
		took := time.Since(begun)
		fmt.Println(all, took.Nanoseconds(), slowest, fastest, quantile(waited, 50), quantile(waited, 99), worst)
	}
}
