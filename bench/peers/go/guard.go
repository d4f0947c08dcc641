package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

const (
	tries   = 3
	permits = 1000
)

var (
	called   int
	errLimit = errors.New("limit")
	errCall  = errors.New("call")
)

//go:noinline
func call() (int, error) {
	called++
	return called, nil
}

func breaker() *gobreaker.CircuitBreaker[int] {
	return gobreaker.NewCircuitBreaker[int](gobreaker.Settings{
		Interval:     30 * time.Second,
		BucketPeriod: 3 * time.Second,
		Timeout:      24 * time.Hour,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.Requests >= 20 && 2*c.TotalFailures >= c.Requests
		},
	})
}

func all() func() (int, error) {
	circuit, limiter := breaker(), rate.NewLimiter(1e9, 1e9)
	bulkhead := semaphore.NewWeighted(permits)
	limited := func() (int, error) {
		if !limiter.Allow() || !bulkhead.TryAcquire(1) {
			return 0, errLimit
		}
		defer bulkhead.Release(1)
		return call()
	}
	return func() (answer int, err error) {
		for range tries {
			if answer, err = circuit.Execute(limited); err == nil {
				return answer, nil
			}
		}
		return answer, err
	}
}

func open() func() (int, error) {
	circuit := breaker()
	for circuit.State() != gobreaker.StateOpen {
		_, _ = circuit.Execute(func() (int, error) { return 0, errCall })
	}
	return func() (int, error) { return circuit.Execute(call) }
}

func timed(call func() (int, error), times int, want error) int64 {
	begun := threadNanoseconds()
	for range times {
		if _, err := call(); err != want {
			panic(err)
		}
	}
	return threadNanoseconds() - begun
}

func named(name string) (guarded func() (int, error), want error) {
	switch name {
	case "all":
		return all(), nil
	case "open":
		return open(), gobreaker.ErrOpenState
	}
	panic(name)
}

// guard answers lines as lend does, about calls that do nothing: all go well, with a loop for retries, a circuit
// breaker, a limiter and a semaphore around them; or, open, the circuit breaker alone refuses them. Less the time of as
// many without. It knows no slow calls, so it does less than the others.
func guard(name string) {
	runtime.LockOSThread()
	guarded, want := named(name)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		times, err := strconv.Atoi(lines.Text())
		must(err)
		fmt.Println(timed(guarded, times, want) - timed(call, times, nil))
	}
}
