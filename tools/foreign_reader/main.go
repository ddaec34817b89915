// A reader of the events that shares no code with the product: another language, another client (franz-go, no librdkafka).
//
//	foreignreader HOST:PORT
//
// It reads the four topics for downstream up to their ends, by the rules of docs/events.md and nothing else,
// and prints what it then knows as one JSON object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The fields that it needs; all others are passed over.
type face struct {
	Cluster *string `json:"cluster_id"`
	Image   string  `json:"image_id"`
}
type person struct {
	Change string  `json:"change"`
	Medoid *string `json:"medoid_face_id"`
}
type photo struct {
	Photo struct {
		Image string `json:"image_id"`
	} `json:"photo"`
	Outcome string `json:"outcome"`
}
type publication struct {
	Generation int    `json:"generation"`
	Cause      string `json:"cause"`
}

type known struct {
	Faces       map[string]face        `json:"faces"`
	People      map[string]person      `json:"people"`
	Photos      map[string]photo       `json:"photos"`
	Publication map[string]publication `json:"publication"`
	Values      int                    `json:"values"`
	Tombstones  int                    `json:"tombstones"`
}

// keep applies a record to a table: the last record of a key is valid, and a null value removes the key.
func keep[T any](table map[string]T, record *kgo.Record, counted *known) error {
	if record.Value == nil {
		delete(table, string(record.Key))
		counted.Tombstones++
		return nil
	}
	var row T
	if err := json.Unmarshal(record.Value, &row); err != nil {
		return fmt.Errorf("%s/%d@%d: %w", record.Topic, record.Partition, record.Offset, err)
	}
	table[string(record.Key)] = row
	counted.Values++
	return nil
}

func read(ctx context.Context, servers string) (*known, error) {
	topics := []string{"faces.assigned", "clusters.changed", "images.processed", "generations.published"}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(servers),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last offset of a partition is often that of the mark that ends a transaction
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	type partition struct {
		topic     string
		partition int32
	}
	left := map[partition]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[partition{end.Topic, end.Partition}] = end.Offset
		}
	})
	found := &known{map[string]face{}, map[string]person{}, map[string]photo{}, map[string]publication{}, 0, 0}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		var failed error
		fetches.EachRecord(func(record *kgo.Record) {
			at := partition{record.Topic, record.Partition}
			if record.Offset+1 >= left[at] {
				delete(left, at)
			}
			if record.Attrs.IsControl() || failed != nil {
				return
			}
			switch record.Topic {
			case "faces.assigned":
				failed = keep(found.Faces, record, found)
			case "clusters.changed":
				failed = keep(found.People, record, found)
			case "images.processed":
				failed = keep(found.Photos, record, found)
			case "generations.published":
				failed = keep(found.Publication, record, found)
			}
		})
		if failed != nil {
			return nil, failed
		}
	}
	return found, nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "expected one argument, HOST:PORT of a broker")
		os.Exit(2)
	}
	found, err := read(ctx, os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
