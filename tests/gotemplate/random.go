package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A generator of templates by Go's grammar, weighted to what people and their mistakes write. The same seed gives the same.
type gen struct {
	*rand.Rand
	vars  []string
	loops int
	defs  int
}

func (g *gen) pick(s ...string) string { return s[g.IntN(len(s))] }
func (g *gen) one(n int) bool          { return g.IntN(n) == 0 }

var stringFields = []string{".TrustDomain", ".ClusterName", ".Region", ".AccountID", ".InstanceID", ".PodMeta.Name", ".PodMeta.Namespace",
	".PodMeta.UID", ".PodSpec.ServiceAccountName", ".PodSpec.NodeName", ".PodMeta.Labels.app", ".PodMeta.Labels.nosuch", ".NodeMeta.Name",
	".NodeSpec.ProviderID", ".PodSpec.RestartPolicy", ".PodSpec.DNSPolicy", ".ApplicationName", ".PodMeta.GenerateName", ".PodSpec.Hostname",
	`(index .PodMeta.Labels "tier")`, `(index .PodMeta.Annotations "unicode")`, `(index .PodMeta.Annotations "example.com/owner")`,
	".PodMeta.GetName", ".PodMeta.GetNamespace", ".NodeMeta.GetUID", ".PodSpec.NodeSelector.zone", ".NodeSpec.PodCIDR"}
var otherFields = []string{".PodMeta.Generation", ".PodSpec.Priority", ".PodSpec.HostNetwork", ".PodSpec.TerminationGracePeriodSeconds",
	".PodMeta.CreationTimestamp", ".PodMeta.DeletionTimestamp", ".PodSpec.SecurityContext", ".PodSpec.Affinity", ".PodSpec.RuntimeClassName",
	".PodSpec.AutomountServiceAccountToken", ".NodeSpec.Unschedulable", ".PodMeta.CreationTimestamp.Year", ".PodMeta.CreationTimestamp.Unix",
	".PodSpec.HostPID", ".NodeSpec.ConfigSource", ".PodMeta.DeletionTimestamp.IsZero", ".PodMeta.CreationTimestamp.IsZero",
	".PodMeta.CreationTimestamp.Month", ".PodSpec.SecurityContext.RunAsUser", ".PodSpec.Overhead", "(index .PodSpec.Containers 0).Resources",
	"(index .PodSpec.Containers 0).LivenessProbe", "(index .PodSpec.Containers 0).ReadinessProbe.TCPSocket.Port", "(index .PodSpec.Containers 0).Resources.Limits.Cpu",
	"(index .PodSpec.Containers 0).Resources.Requests.Memory.Value", "(index .PodSpec.Overhead \"cpu\")", ".PodSpec.Overhead.Cpu.MilliValue", ".PodSpec.OS.Name",
	"(index .PodSpec.Containers 0).LivenessProbe.HTTPGet.Port", "(index .PodSpec.Volumes 1).EmptyDir.SizeLimit", "(index .PodSpec.Volumes 0).PersistentVolumeClaim.ClaimName",
	"(index .NodeSpec.Taints 0).ToString", ".PodMeta.DeletionGracePeriodSeconds", "(index .PodSpec.Containers 0)", ".PodSpec", ".PodMeta", ".NodeSpec", "(index .PodMeta.OwnerReferences 0)", ".PodMeta.CreationTimestamp.Weekday", ".PodSpec.ShareProcessNamespace"}
var lists = []string{".PodMeta.Finalizers", ".PodSpec.Containers", ".PodMeta.OwnerReferences", ".NodeSpec.Taints", ".PodSpec.ImagePullSecrets",
	".PodSpec.Tolerations", ".NodeSpec.PodCIDRs", ".PodSpec.InitContainers", ".PodSpec.Volumes", ".PodSpec.TopologySpreadConstraints", ".PodSpec.HostAliases", ".PodMeta.ManagedFields", "(index .PodSpec.Containers 0).Env",
	".PodSpec.SecurityContext.SupplementalGroups", "(index .PodSpec.Containers 0).VolumeMounts", "(index .PodSpec.Containers 0).Ports", "(index .PodSpec.Containers 0).Args"}
var maps = []string{".PodMeta.Labels", ".PodMeta.Annotations", ".NodeMeta.Labels", ".PodSpec.NodeSelector", ".PodMeta.GetLabels"}
var badFields = []string{".NoSuch", ".PodMeta.Nmae", ".podMeta", ".TrustDomain.X", ".PodMeta.Labels.app.x", ".PodSpec.SecurityContext.RunAsUser",
	".PodMeta.Labels.nosuch.x", ".PodSpec.Containers.Name", ".PodMeta.CreationTimestamp.Nope", ".PodMeta.SetName", ".PodSpec.Affinity.NodeAffinity"}

func (g *gen) str() string {
	switch g.IntN(6) {
	case 0:
		return "`" + g.pick("raw", `r\n"x`, "", "a b", "é") + "`"
	default:
		return g.pick(`"a"`, `"b"`, `""`, `"web"`, `"front"`, `"shop"`, `"us-west-2"`, `"a\tb"`, `"\"q\""`, `"é"`, `"世界"`, `"<a>&'b'"`, `"\x41"`,
			`"\u00e9"`, `"tier"`, `"app"`, `"%"`, `"a=b;c"`, `"\\"`, `"x y"`, `"{{"`, `"}}"`, `"A-b_c.d~e"`, `"\U0001F600"`, `"\101"`, `"\a"`)
	}
}

func (g *gen) num() string {
	if g.one(3) {
		return g.pick("1.5", "0.1", "1e3", "1e21", "2.", ".5", "0x1p4", "-0.0", "1e-7", "3.0", "123456789.0", "1_0.5", "0x_1p-2", "1e100", "-1.5e-9")
	}
	return g.pick("0", "1", "2", "3", "7", "10", "-1", "-7", "42", "0x1F", "0b101", "0o17", "017", "1_000", "'a'", "'\\n'", "'世'", "+5", "255",
		"9223372036854775807", "-9223372036854775808", "9223372036854775808", "1+2i", "2i", "1i", "0i", "65", "1e2", "0x10")
}

// badNum is refused by Go more often than not.
func (g *gen) badNum() string {
	return g.pick("1k", "0x", "089", "1__0", "_1", "1_", "0b2", "1e", "1.2.3", "18446744073709551616", "''", "'ab'", "'\\q'", "1e999", "0x1.5", "1-2", "--1", "00", "0_7", "0x_1")
}

func (g *gen) variable() string {
	if len(g.vars) == 0 || g.one(12) {
		return g.pick("$", "$.Region", "$.PodMeta.Name", "$undefined")
	}
	return g.vars[g.IntN(len(g.vars))]
}

func (g *gen) arg(d int) string {
	switch n := g.IntN(40); {
	case n < 9:
		return stringFields[g.IntN(len(stringFields))]
	case n < 13:
		return otherFields[g.IntN(len(otherFields))]
	case n < 16:
		return lists[g.IntN(len(lists))]
	case n < 19:
		return maps[g.IntN(len(maps))]
	case n < 25:
		return g.str()
	case n < 30:
		return g.num()
	case n < 32:
		return g.pick("true", "false")
	case n == 32:
		return "nil"
	case n == 33:
		return "."
	case n < 36:
		return g.variable()
	case n == 36 && g.one(3):
		return badFields[g.IntN(len(badFields))]
	case n == 37 && g.one(6):
		return g.badNum()
	default:
		if d <= 0 {
			return g.str()
		}
		return "(" + g.pipe(d-1) + ")" + g.pick("", "", "", "", ".Name", ".Kind", ".app")
	}
}

func (g *gen) format() string {
	var b strings.Builder
	b.WriteByte('"')
	for range 1 + g.IntN(3) {
		b.WriteString(g.pick("", "", "a", "-", " ", "é"))
		b.WriteByte('%')
		for range g.IntN(3) {
			b.WriteString(g.pick("", "#", "0", "+", "-", " "))
		}
		b.WriteString(g.pick("", "", "", "", "5", "8", "12", "1", "20", "*", "[1]", "[2]", "[9]", "[x]", "[1]*"))
		b.WriteString(g.pick("", "", "", "", ".2", ".0", ".", ".5", ".*", ".[1]", ".10", ".3"))
		b.WriteString(g.pick("v", "v", "v", "s", "s", "d", "q", "x", "X", "t", "T", "f", "g", "e", "G", "E", "c", "U", "o", "O", "b", "%", "z", "!", "F", "", "w", "世"))
	}
	b.WriteByte('"')
	return b.String()
}

func (g *gen) args(d, n int) string {
	var s []string
	for range n {
		s = append(s, g.arg(d))
	}
	return strings.Join(s, " ")
}

func (g *gen) cmp(d int) string {
	op := g.pick("eq", "ne", "lt", "le", "gt", "ge", "eq", "ne")
	switch g.IntN(6) {
	case 0:
		return op + " " + g.num() + " " + g.num()
	case 1:
		return op + " " + stringFields[g.IntN(len(stringFields))] + " " + g.str()
	case 2:
		return "eq " + g.args(d, 1+g.IntN(4))
	case 3:
		return op + " (len " + lists[g.IntN(len(lists))] + ") " + g.num()
	default:
		return op + " " + g.args(d, 2)
	}
}

func (g *gen) cmd(d int) string {
	switch n := g.IntN(30); {
	case n < 4:
		return "printf " + g.format() + " " + g.args(d, g.IntN(4))
	case n < 6:
		return g.pick("print", "println", "html", "js", "urlquery") + " " + g.args(d, g.IntN(4))
	case n < 9:
		return g.cmp(d)
	case n < 12:
		return g.pick("and", "or", "not", "and", "or") + " " + g.args(d, 1+g.IntN(3))
	case n < 14:
		return "len " + g.arg(d)
	case n < 16:
		return "index " + maps[g.IntN(len(maps))] + " " + g.pick(g.str(), stringFields[g.IntN(len(stringFields))], g.arg(d))
	case n < 18:
		return "index " + lists[g.IntN(len(lists))] + " " + g.pick("0", "1", "2", "-1", g.arg(d))
	case n < 20:
		return "slice " + g.pick(stringFields[g.IntN(len(stringFields))], lists[g.IntN(len(lists))], g.arg(d)) + " " +
			strings.Join([]string{g.pick("0", "1", "2"), g.pick("", "3", "1", "5", "2"), g.pick("", "", "", "4", "9")}, " ")
	case n == 20:
		return g.pick("index", "slice", "call", "len", "not", "and", "eq", "printf", "print") + " " + g.args(d, g.IntN(3))
	case n == 21:
		return `.PodMeta.CreationTimestamp.Format ` + g.pick(`"2006-01-02"`, `"15:04:05"`, `"Jan _2 2006 3:04PM"`, `"Monday, 02-Jan-06 MST"`, "1", `"2006-01-02T15:04:05Z07:00"`)
	default:
		return g.arg(d)
	}
}

func (g *gen) pipe(d int) string {
	s := g.cmd(d)
	for g.one(5) {
		s += g.pick(" | ", "|", " |") + g.pick("printf "+g.format(), "printf \"%v\"", "len", "html", "js", "urlquery", "not", "print", "println", "eq "+g.arg(d), "index "+g.arg(d),
			"and "+g.arg(d), "or "+g.arg(d), "slice "+g.arg(d), g.cmd(d))
	}
	return s
}

func (g *gen) open() string {
	return g.pick("{{", "{{ ", "{{ ", "{{ ", "{{- ")
}

func (g *gen) close() string {
	return g.pick("}}", " }}", " }}", " }}", " -}}")
}

func (g *gen) act(s string) string { return g.open() + s + g.close() }

func (g *gen) text() string {
	return g.pick("", "", "x", " ", "\n", "/", "a b", " \n ", "{", "}", "spiffe://", "{%", "{#", "%}", "<b>", "é", "{ {", "\t", "\r\n", "-", "'")
}

func (g *gen) name(prefix string) string {
	return fmt.Sprintf("$%s%d", prefix, g.IntN(3))
}

func (g *gen) list(d int) string {
	var b strings.Builder
	mark := len(g.vars)
	for range 1 + g.IntN(3) {
		b.WriteString(g.text())
		b.WriteString(g.node(d))
		b.WriteString(g.text())
	}
	g.vars = g.vars[:mark]
	return b.String()
}

// inner is a list where dot is something else.
func (g *gen) inner(d int) string {
	if g.one(2) {
		return g.text() + g.act(g.pick(".", ".Name", ".Kind", ". | printf \"%v\"", "len .", ".Image", ".Key", "printf \"%T\" .")) + g.list(d-1)
	}
	return g.list(d)
}

func (g *gen) node(d int) string {
	if d <= 0 {
		return g.act(g.pipe(1))
	}
	switch n := g.IntN(32); {
	case n < 10:
		return g.act(g.pipe(2))
	case n < 13:
		v := g.name("v")
		s := g.act(v + g.pick(" := ", ":=", " := ") + g.pipe(1))
		g.vars = append(g.vars, v)
		return s + g.act(v)
	case n < 15:
		if len(g.vars) > 0 {
			return g.act(g.vars[g.IntN(len(g.vars))] + g.pick(" = ", "=") + g.pipe(1))
		}
		return g.act(g.pipe(1))
	case n < 19:
		s := g.act("if "+g.decl()+g.pipe(1)) + g.list(d-1)
		for g.one(3) {
			s += g.act("else if "+g.pipe(1)) + g.list(d-1)
		}
		if g.one(2) {
			s += g.act("else") + g.list(d-1)
		}
		return s + g.act("end")
	case n < 22:
		s := g.act("with "+g.decl()+g.pick(g.pipe(1), maps[g.IntN(len(maps))], stringFields[g.IntN(len(stringFields))], ".PodMeta", ".PodSpec", "index .PodSpec.Containers 0")) + g.inner(d-1)
		if g.one(3) {
			s += g.act("else with "+g.pipe(1)) + g.inner(d-1)
		}
		if g.one(2) {
			s += g.act("else") + g.list(d-1)
		}
		return s + g.act("end")
	case n < 28:
		mark := len(g.vars)
		d1 := g.pick("", "$i, $e := ", "$e := ", "$i,$e:=")
		if d1 != "" {
			g.vars = append(g.vars, "$e")
			if strings.Contains(d1, "$i") {
				g.vars = append(g.vars, "$i")
			}
		} else if len(g.vars) > 1 && g.one(3) {
			d1 = g.vars[0] + ", " + g.vars[1] + " = "
		} else if len(g.vars) > 0 && g.one(3) {
			d1 = g.vars[0] + " = "
		}
		s := g.act("range " + d1 + g.pick(lists[g.IntN(len(lists))], lists[g.IntN(len(lists))], maps[g.IntN(len(maps))], "3", "0", g.pipe(1)))
		g.loops++
		s += g.inner(d - 1)
		if g.one(4) {
			s += g.act("if "+g.pipe(1)) + g.act(g.pick("break", "continue")) + g.act("end") + g.text()
		}
		g.loops--
		if g.one(3) {
			s += g.act("else") + g.list(d-1)
		}
		g.vars = g.vars[:mark]
		return s + g.act("end")
	case n == 28:
		return g.act(fmt.Sprintf("template \"d%d\" %s", g.IntN(3), g.pick("", ".", g.arg(1))))
	case n == 29:
		vars := g.vars
		g.vars = nil
		g.defs++
		s := g.act(fmt.Sprintf("block \"b%d\" %s", g.defs, g.arg(1))) + g.inner(d-1) + g.act("end")
		g.vars = vars
		return s
	case n == 30:
		return g.pick("{{/* c */}}", "{{- /* c */ -}}", "{{/* }} */}}")
	default:
		return g.act(g.pick("break", "continue", "end", "else", "if", "range $x", "with", "template", "define \"q\"", "$x := ", "1 | 2", ")", "(", "", "|", ". .", ".a.", "$", "$ .Region", "a.b", "\"a\".b",
			"print nil", "nil", "nil.x", "(nil).x", "(1).x", "$v0.", "len.x", "break 1", "{{", "'", "\"", "`", "/* x */", "@", "世", ".世", "printf \"%s\" .a | .b", ".Region.", ". | .", "if true", "x", "$x = 1", "$a, $b := 1", "print ($z := 1) $z", "range 1, 2"))
	}
}

func (g *gen) decl() string {
	if !g.one(5) {
		return ""
	}
	v := g.name("w")
	g.vars = append(g.vars, v)
	return v + " := "
}

func (g *gen) template() string {
	g.vars, g.defs = nil, 0
	var b strings.Builder
	for i := range g.IntN(6) - 3 {
		fmt.Fprintf(&b, "%s%s%s", g.act(fmt.Sprintf("define \"d%d\"", i)), g.inner(1), g.act("end"))
		g.vars = nil
	}
	b.WriteString(g.list(1 + g.IntN(3)))
	return b.String()
}

// random makes count records of at most limit bytes a template, names them by their number, and leaves out what prints a pointer.
func random(seed uint64, count int, data, again map[string]*data, names []string) (rs []record) {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, 7))}
	for len(rs) < count {
		text := g.template()
		if len(text) > 600 {
			continue
		}
		facts := names[g.IntN(len(names))]
		r := run(fmt.Sprintf("random-%d-%d", seed, len(rs)), facts, text, data[facts])
		if pointer.MatchString(r.Output) || len(r.Output) > 1<<12 || run(r.Name, facts, text, again[facts]).Output != r.Output {
			continue
		}
		// Most of what is random fails; keep a third of the failures.
		if r.Fails != "" && !g.one(3) {
			continue
		}
		rs = append(rs, r)
	}
	return
}
