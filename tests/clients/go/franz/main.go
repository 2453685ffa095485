// The agent of franz-go; see tests/clients/README.md.
package main

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater-test-clients/line"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func produce(o line.Options) {
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Bootstrap), kgo.ClientID(o.ClientID), kgo.DefaultProduceTopic(o.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codecs[o.Codec]))
	line.Check(err)
	for record := range line.Records() {
		sent := &kgo.Record{Partition: int32(record.Partition), Key: record.Key, Value: record.Value}
		for _, header := range record.Headers {
			sent.Headers = append(sent.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		client.Produce(context.Background(), sent, func(done *kgo.Record, err error) {
			if err != nil {
				line.Emit("failed", "id", record.ID, "error", err.Error())
				return
			}
			line.Emit("acked", "id", record.ID, "partition", done.Partition, "offset", done.Offset)
		})
	}
	line.Check(client.Flush(context.Background()))
	client.Close()
}

// member is what the agent knows of its place in the group.
type member struct {
	sync.Mutex
	topic string
	owned map[int32]bool
	ends  map[int32]kgo.EpochOffset
}

// changed notes partitions that came or went, and tells all that are owned.
func (m *member) changed(partitions []int32, owns bool) {
	m.Lock()
	defer m.Unlock()
	for _, partition := range partitions {
		delete(m.ends, partition)
		if owns {
			m.owned[partition] = true
		} else {
			delete(m.owned, partition)
		}
	}
	line.EmitAssigned(slices.Collect(maps.Keys(m.owned)))
}

// note remembers and prints a record, unless its partition was revoked since it was fetched.
func (m *member) note(record *kgo.Record) {
	m.Lock()
	defer m.Unlock()
	if !m.owned[record.Partition] {
		return
	}
	m.ends[record.Partition] = kgo.EpochOffset{Epoch: record.LeaderEpoch, Offset: record.Offset + 1}
	headers := []line.Header{}
	for _, header := range record.Headers {
		headers = append(headers, line.Header{Name: header.Key, Value: header.Value})
	}
	line.EmitRecord(int(record.Partition), record.Offset, record.Key, record.Value, headers)
}

func (m *member) commit(client *kgo.Client) {
	m.Lock()
	wanted, told := maps.Clone(m.ends), map[int32]int64{}
	m.Unlock()
	for partition, end := range wanted {
		told[partition] = end.Offset
	}
	var failure error
	client.CommitOffsetsSync(context.Background(), map[string]map[int32]kgo.EpochOffset{m.topic: wanted}, commitResult(&failure))
	line.EmitCommit(told, failure)
}

func group(o line.Options) {
	m := &member{topic: o.Topic, owned: map[int32]bool{}, ends: map[int32]kgo.EpochOffset{}}
	changed := func(owns bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) { m.changed(topics[o.Topic], owns) }
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Bootstrap), kgo.ClientID(o.ClientID), kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic),
		kgo.DisableAutoCommit(), kgo.OnPartitionsAssigned(changed(true)), kgo.OnPartitionsRevoked(changed(false)), kgo.OnPartitionsLost(changed(false)))
	line.Check(err)
	consuming, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for consuming.Err() == nil {
			fetches := client.PollFetches(consuming)
			fetches.EachError(func(_ string, _ int32, err error) { line.Emit("note", "text", err.Error()) })
			fetches.EachRecord(m.note)
		}
	}()
	for command := range line.Lines() {
		if command == "stop" {
			break
		}
		m.commit(client)
	}
	stop()
	<-done
	client.Close()
}

func main() { line.Run("franz-go", "github.com/twmb/franz-go", produce, group) }
