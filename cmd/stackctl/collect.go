package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// headroom is the garbage that a heap may have beside what is in use. Go allows
// as much as is in use, but for a process of some hundredths of a second whose
// heap grows from nothing that means to collect again and again what hardly is
// garbage.
const headroom = 48 << 20

// collectLate makes the garbage collector begin when there is something to
// collect. Who sets GOGC has the last word.
func collectLate() {
	const least = 4 << 20 // the heap at which Go begins at 100 %
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(headroom / least * 100)
		afterCollection()
	}
}

// afterCollection sets the percentage that the headroom is of the live heap, at
// least Go's own, after each collection.
func afterCollection() {
	type sentinel struct{ _ [4]uint64 } // is garbage at once
	runtime.AddCleanup(new(sentinel), func(int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(max(100, headroom*100/int(max(live[0].Value.Uint64(), 1<<20))))
		afterCollection()
	}, 0)
}
