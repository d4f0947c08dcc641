// lend - takes from a puddle of ten and gives back, on one goroutine, for bench/pools.lua: for each line with a number
// of times the ns of this thread that they took. lend GOROUTINES is another matter, see crowd.go, and so is lend
// guard all|open, see guard.go.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/jackc/puddle/v2"
)

const (
	size        = 10
	threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
)

type connection struct{ number int }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func threadNanoseconds() int64 {
	var now syscall.Timespec
	_, _, code := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&now)), 0)
	if code != 0 {
		panic(code)
	}
	return now.Nano()
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "guard" {
		guard(os.Args[2])
		return
	}
	if len(os.Args) > 1 {
		goroutines, err := strconv.Atoi(os.Args[1])
		must(err)
		crowd(goroutines)
		return
	}
	runtime.LockOSThread()
	ctx := context.Background()
	opened := 0
	pool, err := puddle.NewPool(&puddle.Config[*connection]{
		Constructor: func(context.Context) (*connection, error) { opened++; return &connection{opened}, nil },
		Destructor:  func(*connection) {},
		MaxSize:     size,
	})
	must(err)
	for range size {
		must(pool.CreateResource(ctx))
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		times, err := strconv.Atoi(lines.Text())
		must(err)
		begun := threadNanoseconds()
		for range times {
			resource, err := pool.Acquire(ctx)
			must(err)
			resource.Release()
		}
		fmt.Println(threadNanoseconds() - begun)
	}
}
