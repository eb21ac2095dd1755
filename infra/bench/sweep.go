package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"math"
	chance "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/sweep"
)

// How much is due where the sweeper is measured, and how many keys there are beside it in the smaller deployment.
const (
	dueThings = 1000
	fewKeys   = 10_000
)

// Prices in us-east-1, in dollars a million: DynamoDB on demand, strongly consistent reads of 4 KiB or two eventually consistent
// ones, and Lambda's requests.
const (
	readPrice    = 0.125
	requestPrice = 0.20
)

// runsAMonth of a schedule that runs once a minute, in 30 days.
const runsAMonth = 30 * 24 * 60

// sweeps measures what a run of the sweeper takes, with much due and with nothing, among few keys and among many.
func sweeps(ctx context.Context, s settings) ([]Figure, error) {
	few, err := sweptAmong(ctx, s.size(fewKeys), s.size(dueThings))
	if err != nil {
		return nil, err
	}
	many, err := sweptAmong(ctx, s.size(s.keys), s.size(dueThings))
	if err != nil {
		return nil, err
	}
	among := fmt.Sprintf("%d due among %d keys", s.size(dueThings), s.size(s.keys))
	requests := at("requests of a run, "+among, float64(many.due.Requests), float64(few.due.Requests), fmt.Sprintf("among %d: %d", s.size(fewKeys), few.due.Requests))
	requests.OK = many.due.Requests == few.due.Requests
	looking := many.idle.Reads * runsAMonth * readPrice / 1e6
	return []Figure{
		requests,
		at("read units of it, over those among "+strconv.Itoa(s.size(fewKeys)), many.due.Reads/few.due.Reads, 1.05, number(many.due.Reads)+" / "+number(few.due.Reads)),
		at("memory of its process at the most, MB", many.due.PeakMB, 64, "resident; "+number(few.due.PeakMB)+" among "+strconv.Itoa(s.size(fewKeys))),
		at("things that it left undone, or did twice", float64(few.wrong+many.wrong), 0, fmt.Sprintf("of %d each", s.size(dueThings))),
		at("dollars a month, looking with nothing due, read units", looking, 0.10, fmt.Sprintf("%s units a run in %d queries, %d runs", number(many.idle.Reads), many.idle.Requests, runsAMonth)),
		at("… with Lambda's fee for the requests", looking+runsAMonth*requestPrice/1e6, 0.10, "its time is not in it"),
		{What: "for information: time of the run, s", Bound: "-", Measured: fmt.Sprintf("%.1f among %d, %.1f among %d", few.due.Seconds, s.size(fewKeys), many.due.Seconds, s.size(s.keys)), OK: true},
	}, nil
}

// swept is what two runs took: one with much due, and one with nothing.
type swept struct {
	due, idle sweepReport
	wrong     int
}

func sweptAmong(ctx context.Context, keys, due int) (swept, error) {
	d, err := deploy(ctx, time.Now().UTC().Truncate(time.Hour))
	if err != nil {
		return swept{}, err
	}
	d.meter.off = true
	arrive, err := d.fallDue(ctx, due)
	if err != nil {
		return swept{}, fmt.Errorf("what falls due: %w", err)
	}
	if err := d.fill(ctx, keys); err != nil {
		return swept{}, fmt.Errorf("%d keys: %w", keys, err)
	}
	d.now = d.now.Add(2 * time.Hour)
	if err := arrive(); err != nil {
		return swept{}, err
	}
	var out swept
	if out.due, err = d.sweepElsewhere(ctx); err != nil {
		return swept{}, err
	}
	if out.idle, err = d.sweepElsewhere(ctx); err != nil {
		return swept{}, err
	}
	out.wrong = due - out.due.Run.Acted + out.due.Run.Failed + out.idle.Run.Looked
	return out, nil
}

// fallDue makes things that fall due within two hours, each of an account of its own: a half of keys that end, a quarter of
// overlaps that run out, a quarter of new keys that are used first. IDs are the same in every deployment, so that the same shards
// have them. They are used when arrive is called, which is after that.
func (d *deployment) fallDue(ctx context.Context, n int) (arrive func() error, err error) {
	same := chance.NewChaCha8([32]byte{4})
	coins := &mint.Mint{Peppers: onePepper{}, Derivation: onePepper{}, Rand: rand.Reader}
	keys, accounts := *d.keys, *d.accounts
	keys.Rand, accounts.Rand = same, same
	rotations := &rotation.Service{Store: d.store, Keys: &keys, Mint: coins, Terms: rotation.Under(d.store), Now: d.clock, Rand: same}
	c, err := d.asOwner(ctx)
	if err != nil {
		return nil, err
	}
	var arriving []rotation.Shown
	for i := range n {
		a, err := accounts.Create(ctx, c, serviceaccount.New{Name: "due " + strconv.Itoa(i), Company: d.company})
		if err != nil {
			return nil, err
		}
		in := apikey.Issue{Name: "due"}
		if i%2 == 0 {
			in.ExpiresAt = apikey.Expiry{Given: true, At: d.now.Add(time.Hour)}
		}
		k, err := keys.Issue(ctx, c, a.Account.ID, in)
		if err != nil {
			return nil, err
		}
		if i%2 == 0 {
			continue
		}
		overlap := time.Hour
		if i%4 == 1 {
			overlap = 30 * 24 * time.Hour
		}
		out, err := rotations.Rotate(ctx, c, k.View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: overlap})
		if err != nil {
			return nil, err
		}
		if i%4 == 1 {
			arriving = append(arriving, out)
		}
	}
	return func() error {
		for _, out := range arriving {
			if _, err := d.request(ctx, d.environment(), out.Secret, home); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// fill puts keys beside what is there: copies of the item of a key that was issued, each with an ID of its own and due in its own
// time, within the sixty days before its first notice.
func (d *deployment) fill(ctx context.Context, n int) error {
	k, err := d.account(ctx, "", 1)
	if err != nil {
		return err
	}
	answer, err := d.db.Call(ctx, "DynamoDB_20120810", "GetItem", map[string]any{"TableName": d.tables.Identity,
		"Key": map[string]any{"pk": text(string(k.View.Key.ID)), "sk": text("key")}})
	if err != nil {
		return err
	}
	var found struct{ Item map[string]any }
	if err := json.Unmarshal(answer, &found); err != nil || len(found.Item) == 0 {
		return fmt.Errorf("the item of %s reads as %s: %w", k.View.Key.ID, answer, err)
	}
	const each, workers = 25, 4
	failures := make(chan error, workers)
	for worker := range workers {
		go func() {
			failures <- func() error {
				for from := worker * each; from < n; from += workers * each {
					if err := d.put(ctx, found.Item, from, min(n, from+each)); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range workers {
		err = errors.Join(err, <-failures)
	}
	return err
}

// put writes copies of a key's item, which nobody else has yet.
func (d *deployment) put(ctx context.Context, like map[string]any, from, to int) error {
	var puts []any
	for i := from; i < to; i++ {
		item, key := maps.Clone(like), string(id.New[id.Key](rand.Reader))
		due := d.now.Add(24*time.Hour + time.Duration(i%86400)*time.Minute/2)
		item["pk"], item["due_shard"] = text(key), text(dueShard(key))
		item["due_at"] = map[string]string{"N": strconv.FormatInt(due.UnixMilli(), 10)}
		puts = append(puts, map[string]any{"PutRequest": map[string]any{"Item": item}})
	}
	answer, err := d.db.Call(ctx, "DynamoDB_20120810", "BatchWriteItem", map[string]any{"RequestItems": map[string]any{d.tables.Identity: puts}})
	if err == nil && bytes.Contains(answer, []byte("PutRequest")) {
		err = fmt.Errorf("unprocessed items: %s", answer)
	}
	return err
}

// dueShard is the shard of the index that a key is in, as pkg/dynamo spells it.
func dueShard(key string) string {
	h := fnv.New32a()
	h.Write([]byte(key))
	return fmt.Sprintf("due#%02d", h.Sum32()%dynamo.DueShards)
}

// sweepVariable carries a sweepOrder to a process of its own.
const sweepVariable = "REKEY_BENCH_SWEEP"

type sweepOrder struct {
	Tables dynamo.Tables
	Now    time.Time
}

// sweepReport is what a run of the sweeper took, as its process counted.
type sweepReport struct {
	Run      sweep.Run
	Requests int
	Reads    float64
	PeakMB   float64 // of the process, resident
	Seconds  float64
}

// sweepElsewhere runs the sweeper once, in a process that does nothing else.
func (d *deployment) sweepElsewhere(ctx context.Context) (sweepReport, error) {
	order, err := json.Marshal(sweepOrder{d.tables, d.now})
	if err != nil {
		return sweepReport{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return sweepReport{}, err
	}
	child := exec.CommandContext(ctx, self)
	child.Env = append(os.Environ(), sweepVariable+"="+string(order))
	child.Stderr = os.Stderr
	text, err := child.Output()
	var r sweepReport
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// sweepHere is the process of sweepElsewhere. Its sweeper is wired as functions/sweeper is, less Secrets Manager.
func sweepHere(order string) error {
	var o sweepOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	d := &deployment{meter: &meter{}, tables: o.Tables, now: o.Now}
	d.wire(os.Getenv(endpointVariable))
	keys := &apikey.Service{Store: d.store, Now: d.clock, Rand: rand.Reader}
	rotations := &rotation.Service{Store: d.store, Keys: keys, Terms: rotation.Under(d.store), Now: d.clock, Rand: rand.Reader}
	s := &sweep.Sweeper{Store: d.store, Leases: d.store, Keys: keys, Rotations: rotations, Terms: rotation.Under(d.store), Shards: dynamo.DueShards,
		Now: d.clock, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	start := time.Now()
	run, err := s.Sweep(context.Background(), "bench")
	if err != nil {
		return err
	}
	b := d.meter.take()
	peak, err := peakMB()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(sweepReport{Run: run, Requests: len(b.calls), Reads: b.reads, PeakMB: peak, Seconds: time.Since(start).Seconds()})
}

// peakMB is the most memory that this process had resident, as the kernel counts it.
func peakMB() (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(after + " x")[0], 64)
	return math.Round(kb/1024*10) / 10, err
}
