// Package torture tries to break stackctl: it runs the built program as a
// process against a real API server, disturbs it (kills, pauses, faults on the
// way to the server, rivals), and then judges what is left.
//
// A campaign is a number of independent trials. Trial i draws all its chances
// from a generator seeded by the campaign's seed and i, so that a failure is
// repeated by the command it prints. What happened is read from the API
// server's audit log, in which the User-Agent tells one run of stackctl from
// another, and from the state that is left; [History.Check] judges it by the
// invariants I1 to I8, without asking stackctl.
//
//	make torture CAMPAIGN=kill TRIALS=500 SEED=7
//
// `go test` runs a short version of every campaign. TRIALS and SEED change the
// number of trials and what is drawn; with TORTURE_RESULTS=FILE the summary of
// a campaign is appended to a table in FILE.
package torture
