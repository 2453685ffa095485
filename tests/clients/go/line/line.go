// Package line is the agent protocol of tests/clients/README.md: options, events and the lines of stdin.
package line

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
)

// Options are the command line after the verb.
type Options struct {
	Bootstrap, Topic, Codec, Group, ClientID string
}

// Header is a pair on the wire of the protocol: a name and bytes or null.
type Header struct {
	Name  string
	Value []byte
}

// Record is a line of produce. Go's JSON reads base64 into bytes, and null into nil.
type Record struct {
	ID        int      `json:"id"`
	Partition int      `json:"partition"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
}

var printing sync.Mutex

// Emit prints one event; `fields` are names and values in turn.
func Emit(event string, fields ...any) {
	object := map[string]any{"event": event}
	for i := 0; i+1 < len(fields); i += 2 {
		object[fields[i].(string)] = fields[i+1]
	}
	text, err := json.Marshal(object)
	Check(err)
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(text))
}

// EmitRecord prints a delivered record.
func EmitRecord(partition int, offset int64, key, value []byte, headers []Header) {
	pairs := make([][2]any, 0, len(headers))
	for _, header := range headers {
		pairs = append(pairs, [2]any{header.Name, header.Value})
	}
	Emit("record", "partition", partition, "offset", offset, "key", key, "value", value, "headers", pairs)
}

// EmitAssigned prints the whole assignment.
func EmitAssigned(partitions []int32) {
	sorted := append([]int32{}, partitions...)
	slices.Sort(sorted)
	Emit("assigned", "partitions", sorted)
}

// EmitCommit prints how a commit went.
func EmitCommit(offsets map[int32]int64, err error) {
	if err != nil {
		Emit("commit_failed", "error", err.Error())
		return
	}
	Emit("committed", "offsets", offsets)
}

// UnmarshalJSON reads a header from its pair.
func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}

// Records is the lines of stdin as records, closed at its end.
func Records() <-chan Record {
	found := make(chan Record)
	go func() {
		defer close(found)
		for text := range Lines() {
			var record Record
			Check(json.Unmarshal([]byte(text), &record))
			found <- record
		}
	}()
	return found
}

// Lines is the lines of stdin, closed at its end.
func Lines() <-chan string {
	found := make(chan string)
	go func() {
		defer close(found)
		input := bufio.NewScanner(os.Stdin)
		input.Buffer(nil, 1<<26)
		for input.Scan() {
			found <- input.Text()
		}
		Check(input.Err())
	}()
	return found
}

// Run is an agent's main: it reads the command line and calls what the verb names.
func Run(client, module string, produce, group func(Options)) {
	if len(os.Args) < 2 {
		Check(fmt.Errorf("usage: AGENT version|produce|group --option value ..."))
	}
	var o Options
	flags := flag.NewFlagSet(client, flag.ExitOnError)
	flags.StringVar(&o.Bootstrap, "bootstrap", "", "")
	flags.StringVar(&o.Topic, "topic", "", "")
	flags.StringVar(&o.Codec, "codec", "none", "")
	flags.StringVar(&o.Group, "group", "", "")
	flags.StringVar(&o.ClientID, "client-id", "", "")
	Check(flags.Parse(os.Args[2:]))
	switch os.Args[1] {
	case "version":
		Emit("version", "client", client, "version", moduleVersion(module))
	case "produce":
		produce(o)
		Emit("closed")
	case "group":
		group(o)
		Emit("closed")
	default:
		Check(fmt.Errorf("unknown verb %q", os.Args[1]))
	}
}

// Check ends the agent when something failed that an application could not live with.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

// moduleVersion is the version of a module as it was built in.
func moduleVersion(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "unknown"
}
