// Records what Go's text/template answers for each template over the context that the Go registrars give it.
//
//	go run . -templates cases.txt -facts facts -out cases.jsonl
//	go run . -random 700 -seed 20 -facts facts -out cases.jsonl
//	go run . -types table.rs
//	go run . -facts facts -bench templates.json
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

type data struct {
	TrustDomain, ClusterName, ClusterDomain, ApplicationName, AccountID, Region, InstanceID string
	PodMeta                                                                                 *metav1.ObjectMeta
	PodSpec                                                                                 *corev1.PodSpec
	NodeMeta                                                                                *metav1.ObjectMeta
	NodeSpec                                                                                *corev1.NodeSpec
}

type facts struct {
	TrustDomain, ClusterName, ClusterDomain, ApplicationName, AccountID, Region string
	Pod                                                                         corev1.Pod
	Node                                                                        corev1.Node
}

type record struct {
	Name     string `json:"name"`
	Facts    string `json:"facts"`
	Template string `json:"template"`
	Output   string `json:"output"`
	Fails    string `json:"fails,omitempty"` // "parse" or "exec"
	Message  string `json:"message,omitempty"`
}

func load(dir string) (map[string]*data, []string) {
	out := map[string]*data{}
	files, _ := filepath.Glob(filepath.Join(dir, "*.yaml"))
	var names []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		check(err)
		var x facts
		check(yaml.UnmarshalStrict(b, &x))
		parts := strings.Split(x.Node.Spec.ProviderID, "/")
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		names = append(names, name)
		out[name] = &data{x.TrustDomain, x.ClusterName, x.ClusterDomain, x.ApplicationName, x.AccountID, x.Region,
			parts[len(parts)-1], &x.Pod.ObjectMeta, &x.Pod.Spec, &x.Node.ObjectMeta, &x.Node.Spec}
	}
	sort.Strings(names)
	return out, names
}

func run(name, facts, text string, d *data) (r record) {
	r = record{Name: name, Facts: facts, Template: text}
	t, err := template.New("t").Parse(text)
	if err != nil {
		r.Fails, r.Message = "parse", err.Error()
		return
	}
	var b bytes.Buffer
	if err := t.Execute(&b, d); err != nil {
		r.Fails, r.Message = "exec", err.Error()
		return
	}
	r.Output = b.String()
	return
}

var pointer = regexp.MustCompile(`0x[0-9a-f]{6,}`)

func main() {
	cases := flag.String("templates", "", "cases: '# name [facts]' then the template up to the next '# '")
	dir := flag.String("facts", "facts", "folder of facts files")
	out := flag.String("out", "", "file to write")
	seed := flag.Uint64("seed", 1, "seed of the random cases")
	randoms := flag.Int("random", 0, "how many random cases")
	benchmark := flag.String("bench", "", "a file of templates {name: text} to time, and end")
	types := flag.String("types", "", "write the table of Go's types as Rust and end")
	flag.Parse()
	if *types != "" {
		writeTypes(*types)
		return
	}
	data, names := load(*dir)
	// A second copy, elsewhere in memory: what differs between the two prints an address.
	again, _ := load(*dir)
	if *benchmark != "" {
		bench(*benchmark, data["web"])
		return
	}
	var rs []record
	if *cases != "" {
		b, err := os.ReadFile(*cases)
		check(err)
		seen := map[string]bool{}
		for _, block := range strings.Split("\n"+string(b), "\n## ")[1:] {
			head, text, _ := strings.Cut(block, "\n")
			f := strings.Fields(head)
			if seen[f[0]] {
				check(fmt.Errorf("case %s twice", f[0]))
			}
			seen[f[0]] = true
			facts := names
			if len(f) > 1 {
				facts = f[1:]
			} else {
				facts = []string{"web"}
			}
			text = strings.TrimSuffix(text, "\n")
			for _, x := range facts {
				r := run(f[0], x, text, data[x])
				if pointer.MatchString(r.Output) {
					fmt.Fprintln(os.Stderr, "prints a pointer, left out:", f[0])
					continue
				}
				rs = append(rs, r)
			}
		}
	}
	rs = append(rs, random(*seed, *randoms, data, again, names)...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	count := map[string]int{}
	for _, r := range rs {
		check(e.Encode(r))
		count[r.Fails]++
	}
	check(os.WriteFile(*out, b.Bytes(), 0o644))
	fmt.Fprintln(os.Stderr, *out, len(rs), count)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
