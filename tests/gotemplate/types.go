package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The table of Go's types and fields that src/core/derive/template/types/table.rs holds.

// fixed stand first, in this order: the engine knows them by number.
var fixed = []reflect.Type{
	reflect.TypeFor[any](), reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint8](), reflect.TypeFor[float64](), reflect.TypeFor[complex128](), reflect.TypeFor[string](),
	reflect.TypeFor[map[string]string](), reflect.TypeFor[*data](), reflect.TypeFor[time.Time](),
	reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime](), reflect.TypeFor[resource.Quantity](),
	reflect.TypeFor[time.Month](), reflect.TypeFor[time.Weekday](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[int32](), reflect.TypeFor[resource.Format](), reflect.TypeFor[[]uint8](),
	reflect.TypeFor[[]metav1.OwnerReference](), reflect.TypeFor[uint64](), reflect.TypeFor[int8](),
}

var stringer = reflect.TypeFor[fmt.Stringer]()

type table struct {
	ids   map[reflect.Type]int
	order []reflect.Type
	shows map[string]string
}

func (t *table) add(typ reflect.Type) int {
	if id, ok := t.ids[typ]; ok {
		return id
	}
	id := len(t.order)
	t.ids[typ] = id
	t.order = append(t.order, typ)
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		t.add(typ.Elem())
	case reflect.Map:
		t.add(typ.Key())
		t.add(typ.Elem())
	case reflect.Struct:
		for _, f := range fieldsOf(typ) {
			t.add(f.Type)
		}
	}
	return id
}

// fieldsOf leaves out what reflection cannot reach.
func fieldsOf(typ reflect.Type) (fields []reflect.StructField) {
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() {
			fields = append(fields, f)
		}
	}
	return
}

func (t *table) rust() []byte {
	var b bytes.Buffer
	b.WriteString("//! Go's types that a template can reach. Made by `make bless-go` from k8s.io/api: not for editing.\n\n")
	b.WriteString("use super::{Field, How, Kind, Show, Stringer, Type};\n\n")
	b.WriteString("#[rustfmt::skip]\npub(super) static TYPES: &[Type] = &[\n")
	for id, typ := range t.order {
		elem, key := 0, 0
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			elem = t.ids[typ.Elem()]
		case reflect.Map:
			elem, key = t.ids[typ.Elem()], t.ids[typ.Key()]
		}
		str := "No"
		if typ.Implements(stringer) {
			str = "Value"
		} else if reflect.PointerTo(typ).Implements(stringer) {
			str = "Pointer"
		}
		name := strings.Replace(typ.String(), "interface {}", "interface {}", 1)
		fmt.Fprintf(&b, "    // %d\n    Type { id: %d, name: %q, kind: Kind::%s, elem: %d, key: %d, comparable: %t, stringer: Stringer::%s,\n",
			id, id, name, kindName(typ.Kind()), elem, key, typ.Comparable(), str)
		b.WriteString("        fields: &[")
		if typ.Kind() == reflect.Struct {
			for _, f := range fieldsOf(typ) {
				tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if f.Type == reflect.TypeFor[resource.Format]() {
					tag = ""
				}
				fmt.Fprintf(&b, "\n            Field { name: %q, json: %q, ty: %d, embedded: %t },", f.Name, tag, t.ids[f.Type], f.Anonymous)
			}
		}
		if typ == reflect.TypeFor[data]() {
			// What this registrar adds to Go's variables; last, so that they can be told from Go's.
			for _, name := range []string{"EKSClusterName", "ClusterLabels", "Namespace", "ServiceAccount"} {
				ty := t.ids[reflect.TypeFor[string]()]
				if name == "ClusterLabels" {
					ty = t.ids[reflect.TypeFor[map[string]string]()]
				}
				fmt.Fprintf(&b, "\n            Field { name: %q, json: \"\", ty: %d, embedded: false },", name, ty)
			}
		}
		b.WriteString("],\n        methods: &[")
		holder := typ
		if typ.Kind() != reflect.Pointer && typ.Kind() != reflect.Interface {
			holder = reflect.PointerTo(typ)
		}
		if typ.Kind() != reflect.Pointer {
			for i := range holder.NumMethod() {
				fmt.Fprintf(&b, "%q, ", holder.Method(i).Name)
			}
		}
		b.WriteString("],\n        show: &[")
		if typ.Kind() == reflect.Struct {
			b.WriteString(t.shows[typ.Name()])
		}
		b.WriteString("] },\n")
	}
	b.WriteString("];\n")
	return b.Bytes()
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "Int"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "Uint"
	case reflect.Float32, reflect.Float64:
		return "Float"
	case reflect.Complex128:
		return "Complex"
	case reflect.Pointer:
		return "Pointer"
	}
	return strings.ToUpper(k.String()[:1]) + k.String()[1:]
}

var (
	method   = regexp.MustCompile(`(?s)\nfunc \(this \*(\w+)\) String\(\) string \{\n(.*?)\n\}\n`)
	plain    = regexp.MustCompile("^`(\\w+):` \\+ fmt\\.Sprintf\\(\"%v\", this\\.(\\w+)\\) \\+ `,`,$")
	pointed  = regexp.MustCompile("^`(\\w+):` \\+ valueToStringGenerated\\(this\\.(\\w+)\\) \\+ `,`,$")
	kept     = regexp.MustCompile("^`(\\w+):` \\+ strings\\.Replace\\((this\\.(\\w+)\\.String\\(\\)|fmt\\.Sprintf\\(\"%v\", this\\.(\\w+)\\)), \"(\\w+)\", \"([\\w.]+)\", 1\\) \\+ `,`,$")
	nested   = regexp.MustCompile("^`(\\w+):` \\+ strings\\.Replace\\(strings\\.Replace\\((this\\.(\\w+)\\.String\\(\\)|fmt\\.Sprintf\\(\"%v\", this\\.(\\w+)\\)), \"(\\w+)\", \"([\\w.]+)\", 1\\), `&`, ``, 1\\) \\+ `,`,$")
	repeated = regexp.MustCompile("^`(\\w+):` \\+ repeatedStringFor(\\w+) \\+ `,`,$")
	mapped   = regexp.MustCompile("^`(\\w+):` \\+ mapStringFor(\\w+) \\+ `,`,$")
)

// shows reads out of the generated String methods how each field is shown in them.
func shows() map[string]string {
	out := map[string]string{}
	for _, pkg := range []string{"k8s.io/api/core/v1", "k8s.io/apimachinery/pkg/apis/meta/v1"} {
		dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
		check(err)
		src, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "generated.pb.go"))
		check(err)
		text := strings.ReplaceAll(string(src), "\nfunc ", "\n\nfunc ")
		for _, m := range method.FindAllStringSubmatch(text, -1) {
			name, body := m[1], m[2]
			var b strings.Builder
			for _, line := range strings.Split(body, "\n") {
				line = strings.TrimSpace(line)
				row := func(label, field, how, from, to string) {
					fmt.Fprintf(&b, "\n            Show { label: %q, field: %q, how: How::%s, from: %q, to: %q },", label, field, how, from, to)
				}
				if m := plain.FindStringSubmatch(line); m != nil {
					row(m[1], m[2], "Plain", "", "")
				} else if m := pointed.FindStringSubmatch(line); m != nil {
					row(m[1], m[2], "Pointer", "", "")
				} else if m := kept.FindStringSubmatch(line); m != nil {
					row(m[1], m[3]+m[4], map[bool]string{true: "Text", false: "Kept"}[m[3] == ""], m[5], m[6])
				} else if m := nested.FindStringSubmatch(line); m != nil {
					row(m[1], m[3]+m[4], map[bool]string{true: "TextNested", false: "Nested"}[m[3] == ""], m[5], m[6])
				} else if m := repeated.FindStringSubmatch(line); m != nil {
					head := regexp.MustCompile(`repeatedStringFor` + m[2] + ` := "([^"]*)"`).FindStringSubmatch(body)
					each := regexp.MustCompile(`repeatedStringFor` + m[2] + ` \+= .*"(\w+)", "([\w.]+)", 1\)`).FindStringSubmatch(body)
					if each == nil {
						row(m[1], m[2], "ListPlain", head[1], "")
					} else {
						row(m[1], m[2], "List", head[1], each[1]+" "+each[2])
					}
				} else if m := mapped.FindStringSubmatch(line); m != nil {
					head := regexp.MustCompile(`mapStringFor` + m[2] + ` := "([^"]*)"`).FindStringSubmatch(body)
					row(m[1], m[2], "Map", head[1], "")
				} else if strings.HasPrefix(line, "`") && line != "`}`," {
					check(fmt.Errorf("%s: a line of String that is not known: %s", name, line))
				}
			}
			out[name] = b.String()
		}
	}
	return out
}

func writeTypes(path string) {
	t := &table{ids: map[reflect.Type]int{}, shows: shows()}
	for _, typ := range fixed {
		t.ids[typ] = len(t.order)
		t.order = append(t.order, typ)
	}
	for _, typ := range fixed {
		delete(t.ids, typ)
		id := -1
		for i, o := range t.order {
			if o == typ {
				id = i
			}
		}
		t.ids[typ] = id
	}
	for _, typ := range fixed {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			t.add(typ.Elem())
		case reflect.Map:
			t.add(typ.Key())
			t.add(typ.Elem())
		case reflect.Struct:
			for _, f := range fieldsOf(typ) {
				t.add(f.Type)
			}
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[corev1.PodSpec](), reflect.TypeFor[corev1.NodeSpec](), reflect.TypeFor[metav1.ObjectMeta]()} {
		t.add(typ)
		t.add(reflect.PointerTo(typ))
		t.add(reflect.SliceOf(typ))
	}
	// Every type has its pointer: an addressable value can be taken by it.
	check(os.WriteFile(path, t.rust(), 0o644))
	fmt.Fprintln(os.Stderr, path, len(t.order), "types")
}
