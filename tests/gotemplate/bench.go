package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"text/template"
)

// bench prints what one execution of each template costs, in nanoseconds: {"name": ns}.
func bench(path string, d *data) {
	b, err := os.ReadFile(path)
	check(err)
	var templates map[string]string
	check(json.Unmarshal(b, &templates))
	out := map[string]float64{}
	for name, text := range templates {
		t := template.Must(template.New("t").Parse(text))
		var best float64
		for range 3 {
			r := testing.Benchmark(func(b *testing.B) {
				for range b.N {
					var buffer bytes.Buffer
					if err := t.Execute(&buffer, d); err != nil {
						b.Fatal(err)
					}
					_ = buffer.String()
				}
			})
			if ns := float64(r.T.Nanoseconds()) / float64(r.N); best == 0 || ns < best {
				best = ns
			}
		}
		out[name] = best
	}
	b, err = json.Marshal(out)
	check(err)
	fmt.Println(string(b))
}
