// The agent of sarama; see tests/clients/README.md.
package main

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/IBM/sarama"

	"highwater-test-clients/line"
)

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func config(o line.Options) *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = o.ClientID
	return c
}

func produce(o line.Options) {
	c := config(o)
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	// The library asks for this where the producer is idempotent.
	c.Net.MaxOpenRequests = 1
	c.Producer.Compression = codecs[o.Codec]
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	producer, err := sarama.NewAsyncProducer([]string{o.Bootstrap}, c)
	line.Check(err)
	var told sync.WaitGroup
	told.Go(func() {
		for done := range producer.Successes() {
			line.Emit("acked", "id", done.Metadata, "partition", done.Partition, "offset", done.Offset)
		}
	})
	told.Go(func() {
		for failed := range producer.Errors() {
			line.Emit("failed", "id", failed.Msg.Metadata, "error", failed.Err.Error())
		}
	})
	for record := range line.Records() {
		producer.Input() <- message(o.Topic, record)
	}
	producer.AsyncClose()
	told.Wait()
}

func message(topic string, record line.Record) *sarama.ProducerMessage {
	sent := &sarama.ProducerMessage{Topic: topic, Partition: int32(record.Partition), Metadata: record.ID}
	if record.Key != nil {
		sent.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		sent.Value = sarama.ByteEncoder(record.Value)
	}
	for _, header := range record.Headers {
		sent.Headers = append(sent.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
	}
	return sent
}

// member is the handler of one member; its session is nil between generations.
type member struct {
	sync.Mutex
	topic   string
	session sarama.ConsumerGroupSession
	ends    map[int32]int64
}

// Setup begins a generation.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	m.session = session
	line.EmitAssigned(session.Claims()[m.topic])
	return nil
}

// Cleanup ends a generation.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	m.session, m.ends = nil, map[int32]int64{}
	line.EmitAssigned(nil)
	return nil
}

// ConsumeClaim prints the records of one partition.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case record, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.note(record)
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) note(record *sarama.ConsumerMessage) {
	m.Lock()
	defer m.Unlock()
	headers := []line.Header{}
	for _, header := range record.Headers {
		headers = append(headers, line.Header{Name: string(header.Key), Value: header.Value})
	}
	m.ends[record.Partition] = record.Offset + 1
	line.EmitRecord(int(record.Partition), record.Offset, record.Key, record.Value, headers)
}

// commit marks what was printed and commits it. The library reports errors later, on the group's channel.
func (m *member) commit() {
	m.Lock()
	defer m.Unlock()
	if m.session == nil {
		line.EmitCommit(nil, errors.New("between two generations"))
		return
	}
	for partition, end := range m.ends {
		m.session.MarkOffset(m.topic, partition, end, "")
	}
	m.session.Commit()
	line.EmitCommit(maps.Clone(m.ends), nil)
}

func group(o line.Options) {
	c := config(o)
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Return.Errors = true
	consumers, err := sarama.NewConsumerGroup([]string{o.Bootstrap}, o.Group, c)
	line.Check(err)
	m := &member{topic: o.Topic, ends: map[int32]int64{}}
	go func() {
		for err := range consumers.Errors() {
			line.Emit("note", "text", err.Error())
		}
	}()
	consuming, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for consuming.Err() == nil {
			if err := consumers.Consume(consuming, []string{o.Topic}, m); err != nil {
				line.Emit("note", "text", err.Error())
			}
		}
	}()
	for command := range line.Lines() {
		if command == "stop" {
			break
		}
		m.commit()
	}
	stop()
	<-done
	line.Check(consumers.Close())
}

func main() { line.Run("sarama", "github.com/IBM/sarama", produce, group) }
