package apply

import "time"

// Event is a sign of progress of a run, delivered in order on one callback.
// Events carry no fact that the [Result] or the error does not: dropping all
// of them loses nothing. The concrete types are [LockWait], [TookOver],
// [Recorded], [Applied], [NeedWait], [Progress] and [Pruning].
type Event interface{ event() }

// LockWait says that another run holds the lock. It is sent when the wait
// begins and then about once a second.
type LockWait struct {
	Holder Holder
	// TakeoverIn is how long the holder must stay silent from now on before
	// this run takes the lock over.
	TakeoverIn time.Duration
}

// TookOver says that the lock of a dead holder was taken over.
type TookOver struct{ Holder Holder }

// Recorded says that the intent of the run is on record.
type Recorded struct {
	Revision int
	// Interrupted are revisions that were found unfinished and closed.
	Interrupted []int
}

// Applied says that one object was written or deleted, or could not be, or was
// left alone after all.
type Applied struct {
	Object ObjectKey
	Action Action
	Note   string // what a reader should know beyond that
	Err    error
}

// NeedWait says that an object is not written before what it needs is as it
// must be. It is sent when that begins, and when less is missing.
type NeedWait struct {
	Object ObjectKey
	Needs  []Need
}

// Progress says that the health of one object changed while waiting.
type Progress struct{ Health Health }

// Pruning says that deleting begins.
type Pruning struct{ Count int }

func (LockWait) event() {}
func (TookOver) event() {}
func (Recorded) event() {}
func (Applied) event()  {}
func (NeedWait) event() {}
func (Progress) event() {}
func (Pruning) event()  {}
