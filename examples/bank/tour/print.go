package tour

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const columns = 78

// printer writes for a plain terminal of 80 columns.
type printer struct{ out io.Writer }

func (p *printer) text(s string) { _, _ = io.WriteString(p.out, s) }

func (p *printer) line(s string) { p.text(s + "\n") }

// labelled writes words behind a label, and folds them so that they stay behind it.
func (p *printer) labelled(label, words string) {
	line := label
	indent := strings.Repeat(" ", utf8.RuneCountInString(label))
	begun := false
	for word := range strings.FieldsSeq(words) {
		if begun && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			p.line(line)
			line, begun = indent, false
		}
		if begun {
			line += " "
		}
		line, begun = line+word, true
	}
	p.line(line)
}

// scene writes what happened, and tells whether it is what should.
func (p *printer) scene(n int, s scene, steps []step) bool {
	p.line("")
	p.labelled(fmt.Sprintf("%2d  ", n), strings.ToUpper(s.title))
	p.labelled("    ", s.plain)
	right := len(steps) > 0
	for _, t := range steps {
		p.labelled("      tried      ", t.tried)
		p.labelled("      came back  ", t.came)
		if t.wrong == "" {
			p.labelled("      right      ", "yes")
			continue
		}
		right = false
		p.labelled("      right      ", "NO: should be "+t.wrong)
	}
	return right
}

// records writes the audit log, one line for each record, with what is alike folded.
func (p *printer) records(all []record) {
	p.line("\nTHE AUDIT LOG")
	p.labelled("", `One record for every request, written before its answer left. A record never holds a token, a proof or a key,
		only their digests. The first is shown whole, the others in short.`)
	p.line("")
	if len(all) > 0 {
		p.labelled("  ", strings.ReplaceAll(all[0].line, `,"`, `, "`))
		p.line("")
	}
	alike := 0
	for i, r := range all {
		short := r.short()
		if i > 0 && short == all[i-1].short() {
			alike++
			continue
		}
		p.folded(alike)
		alike = 0
		p.line(cut("  " + r.Time.Format("15:04:05") + "  " + short))
	}
	p.folded(alike)
}

func (p *printer) folded(alike int) {
	if alike > 0 {
		p.line(fmt.Sprintf("            and %d more of the same", alike))
	}
}

func cut(line string) string {
	if utf8.RuneCountInString(line) > columns {
		return string([]rune(line)[:columns])
	}
	return line
}
