// Reads manifests as kubectl does, and prints what it read: the truth that tests/input.rs holds rolecall to.
//
//	go run . answers SNIPPETS > ANSWERS    every snippet of a file (see ../snippets.txt)
//	go run . files < NAMES                 one line of JSON for each file named on standard input
//
// kubectl's resource builder (k8s.io/cli-runtime/pkg/resource, StreamVisitor.Visit) decodes a stream with
// yaml.NewYAMLOrJSONDecoder(r, 4096) into runtime.RawExtension, passes over what is empty or null, stops at the first error,
// and hands each document to unstructured.UnstructuredJSONScheme. This program does the same.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type answer struct {
	Name      string `json:"name"`
	Documents []any  `json:"documents"`
	Error     string `json:"error,omitempty"`
}

func read(name string, text []byte) answer {
	result := answer{Name: name, Documents: []any{}}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		raw := runtime.RawExtension{}
		if err := decoder.Decode(&raw); err != nil {
			if err != io.EOF {
				result.Error = err.Error()
			}
			return result
		}
		document := bytes.TrimSpace(raw.Raw)
		if len(document) == 0 || bytes.Equal(document, []byte("null")) {
			continue
		}
		var value any
		if err := utiljson.Unmarshal(document, &value); err != nil {
			result.Error = err.Error()
			return result
		}
		result.Documents = append(result.Documents, value)
	}
}

// snippets are separated by lines `#### NAME`; with `#### NAME (quoted)`, the text is one Go string literal.
func snippets(text string) []answer {
	var all []answer
	for _, part := range strings.Split("\n"+text, "\n#### ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		if bare, quoted := strings.CutSuffix(name, " (quoted)"); quoted {
			var err error
			if name = bare; true {
				body, err = strconv.Unquote(strings.TrimSpace(body))
			}
			if err != nil {
				panic(name + ": " + err.Error())
			}
		} else {
			body += "\n"
		}
		all = append(all, read(name, []byte(body)))
	}
	return all
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if len(os.Args) == 3 && os.Args[1] == "answers" {
		text, err := os.ReadFile(os.Args[2])
		if err != nil {
			panic(err)
		}
		for _, answer := range snippets(string(text)) {
			if err := encoder.Encode(answer); err != nil {
				panic(err)
			}
		}
		return
	}
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		text, err := os.ReadFile(names.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		if err := encoder.Encode(read(names.Text(), text)); err != nil {
			panic(err)
		}
	}
}
