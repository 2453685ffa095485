// The agent of segmentio/kafka-go; see tests/clients/README.md.
package main

import (
	"context"
	"maps"
	"sync"

	"github.com/segmentio/kafka-go"

	"highwater-test-clients/line"
)

var codecs = map[string]kafka.Compression{
	"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

// byRecord puts each message into the partition that its record names.
type byRecord struct{}

// Balance is told the message that WriteMessages was given.
func (byRecord) Balance(message kafka.Message, _ ...int) int {
	return message.WriterData.(line.Record).Partition
}

func produce(o line.Options) {
	writer := &kafka.Writer{Addr: kafka.TCP(o.Bootstrap), Topic: o.Topic, Balancer: byRecord{}, RequiredAcks: kafka.RequireAll, Compression: codecs[o.Codec],
		Async: true, Transport: &kafka.Transport{ClientID: o.ClientID}, Completion: told}
	for record := range line.Records() {
		sent := kafka.Message{Key: record.Key, Value: record.Value, WriterData: record}
		for _, header := range record.Headers {
			sent.Headers = append(sent.Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		if err := writer.WriteMessages(context.Background(), sent); err != nil {
			line.Emit("failed", "id", record.ID, "error", err.Error())
		}
	}
	line.Check(writer.Close())
}

// told is called by the writer for each batch.
func told(messages []kafka.Message, err error) {
	for _, message := range messages {
		record := message.WriterData.(line.Record)
		if err != nil {
			line.Emit("failed", "id", record.ID, "error", err.Error())
		} else {
			line.Emit("acked", "id", record.ID, "partition", message.Partition, "offset", message.Offset)
		}
	}
}

// positions is the last message printed of each partition.
type positions struct {
	sync.Mutex
	last map[int]kafka.Message
}

func (p *positions) note(message kafka.Message) {
	p.Lock()
	defer p.Unlock()
	p.last[message.Partition] = message
	headers := []line.Header{}
	for _, header := range message.Headers {
		headers = append(headers, line.Header{Name: header.Key, Value: header.Value})
	}
	line.EmitRecord(message.Partition, message.Offset, message.Key, message.Value, headers)
}

// commit commits what was printed since the last commit that succeeded: the reader does not tell what was revoked meanwhile.
func (p *positions) commit(reader *kafka.Reader) {
	p.Lock()
	wanted := maps.Clone(p.last)
	p.Unlock()
	messages, offsets := []kafka.Message{}, map[int32]int64{}
	for partition, message := range wanted {
		messages = append(messages, message)
		offsets[int32(partition)] = message.Offset + 1
	}
	err := reader.CommitMessages(context.Background(), messages...)
	line.EmitCommit(offsets, err)
	if err != nil {
		return
	}
	p.Lock()
	defer p.Unlock()
	for partition, message := range wanted {
		if p.last[partition].Offset == message.Offset {
			delete(p.last, partition)
		}
	}
}

func group(o line.Options) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{o.Bootstrap}, GroupID: o.Group, Topic: o.Topic, StartOffset: kafka.FirstOffset,
		Dialer: &kafka.Dialer{ClientID: o.ClientID}})
	p := &positions{last: map[int]kafka.Message{}}
	consuming, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			message, err := reader.FetchMessage(consuming)
			if consuming.Err() != nil {
				return
			}
			if err != nil {
				line.Emit("note", "text", err.Error())
				continue
			}
			p.note(message)
		}
	}()
	for command := range line.Lines() {
		if command == "stop" {
			break
		}
		p.commit(reader)
	}
	stop()
	<-done
	line.Check(reader.Close())
}

func main() { line.Run("kafka-go", "github.com/segmentio/kafka-go", produce, group) }
