package observe

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// folder is the one place where dashboards are.
var folder = filepath.Join("..", "..", "helm", "rotatord", "files", "dashboards")

// dashboard is as much of Grafana's JSON model as is looked at here.
type dashboard struct {
	ID            *int   `json:"id"`
	UID           string `json:"uid"`
	Title         string `json:"title"`
	Description   string `json:"description"`
	SchemaVersion int    `json:"schemaVersion"`
	Tags          []string
	Panels        []panel `json:"panels"`
	Links         []link  `json:"links"`
	Annotations   struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type link struct {
	Title string   `json:"title"`
	Type  string   `json:"type"`
	URL   string   `json:"url"`
	Tags  []string `json:"tags"`
}

type source struct{ Type, UID string }

type panel struct {
	ID          int      `json:"id"`
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Datasource  source   `json:"datasource"`
	Targets     []target `json:"targets"`
	Panels      []panel  `json:"panels"`
	GridPos     struct{ H, W, X, Y int }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			NoValue    string
			Thresholds struct{ Steps []struct{ Value *float64 } }
			Links      []link
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	} `json:"fieldConfig"`
	Options struct {
		Footer json.RawMessage
		Legend *struct{ Calcs []string }
	}
	Transformations []struct{ ID string }
}

type target struct {
	RefID        string
	Datasource   source
	Expr         string
	LegendFormat string
	Format       string
	Instant      bool
	Range        bool
}

type annotation struct {
	BuiltIn    int
	Name       string
	Datasource source
	Enable     bool
	Expr       string
	Target     target
}

type variable struct {
	Name       string
	Type       string
	Label      string
	Datasource source
	Query      json.RawMessage
	Definition string
	Multi      bool
	IncludeAll bool
	AllValue   string
}

// dashboards reads all files, by their names.
func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	must(t, err)
	found := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the repository's own
		must(t, err)
		var d dashboard
		must(t, json.Unmarshal(text, &d))
		found[filepath.Base(file)] = d
	}
	if len(found) < 2 {
		t.Fatalf("%d dashboards in %s", len(found), folder)
	}
	return found
}

// numbers are the panels that show numbers by themselves, so need a unit.
var numbers = map[string]bool{"stat": true, "timeseries": true, "bargauge": true, "heatmap": true, "table": true, "state-timeline": true}

func TestDashboardsAreAsGrafanaTakesThem(t *testing.T) {
	uids := map[string]string{}
	for file, d := range dashboards(t) {
		t.Run(file, func(t *testing.T) {
			if other, twice := uids[d.UID]; twice || d.UID+".json" != file || len(d.UID) > 40 {
				t.Errorf("uid %q (of %q too): it is the file's name and at most 40 characters", d.UID, other)
			}
			uids[d.UID] = file
			if d.ID != nil {
				t.Error("an id belongs to one installation")
			}
			if d.SchemaVersion < 39 || d.Title == "" || d.Description == "" || len(d.Tags) == 0 || len(d.Links) == 0 {
				t.Errorf("schema version %d, title %q, description %q, tags %q, %d links", d.SchemaVersion, d.Title, d.Description, d.Tags, len(d.Links))
			}
			checkVariables(t, d)
			checkPanels(t, d)
		})
	}
	// What the two link to are each other.
	for file, d := range dashboards(t) {
		text, err := os.ReadFile(filepath.Join(folder, file)) //nolint:gosec // the repository's own
		must(t, err)
		for _, to := range regexp.MustCompile(`"/d/([^/"]+)/`).FindAllStringSubmatch(string(text), -1) {
			if _, ok := uids[to[1]]; !ok {
				t.Errorf("%s links to %s, which is no dashboard", d.Title, to[1])
			}
		}
	}
}

func checkVariables(t *testing.T, d dashboard) {
	t.Helper()
	for i, v := range d.Templating.List {
		switch {
		case i == 0 && (v.Type != "datasource" || v.Name != "datasource" || string(v.Query) != `"prometheus"`):
			t.Errorf("the first variable is not where Prometheus is: %+v", v)
		case i > 0 && (v.Type != "query" || v.Datasource != fromVariable || v.Label == ""):
			t.Errorf("variable %+v", v)
		}
	}
	own := 0
	for _, a := range d.Annotations.List {
		if a.BuiltIn != 0 {
			continue
		}
		own++
		if a.Datasource != fromVariable || a.Expr == "" || a.Expr != a.Target.Expr || !a.Enable || a.Name == "" {
			t.Errorf("annotation %+v", a)
		}
	}
	if own == 0 {
		t.Error("no annotations")
	}
}

var fromVariable = source{"prometheus", "${datasource}"}

func checkPanels(t *testing.T, d dashboard) {
	t.Helper()
	ids := map[int]string{}
	taken := map[[2]int]string{}
	titles := map[string]bool{}
	section := ""
	for _, p := range d.Panels {
		if other, twice := ids[p.ID]; twice || p.ID <= 0 {
			t.Errorf("%s has id %d, as %s", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %q or beside the grid", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			section = p.Title
			continue
		}
		if titles[section+p.Title] {
			t.Errorf("two panels of row %s are called %s", section, p.Title)
		}
		titles[section+p.Title] = true
		checkPanel(t, p)
	}
}

func checkPanel(t *testing.T, p panel) {
	t.Helper()
	if !numbers[p.Type] {
		t.Errorf("%s is of type %q", p.Title, p.Type)
	}
	f := p.FieldConfig.Defaults
	if p.Title == "" || len(p.Description) < 30 || f.Unit == "" || p.Datasource != fromVariable || len(p.Targets) == 0 {
		t.Errorf("%s: description %q, unit %q, datasource %+v, %d queries", p.Title, p.Description, f.Unit, p.Datasource, len(p.Targets))
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if refs[q.RefID] || q.RefID == "" || q.Expr == "" || q.Datasource != fromVariable || q.Instant == q.Range {
			t.Errorf("%s: query %+v", p.Title, q)
		}
		refs[q.RefID] = true
		if (p.Type == "table") != (q.Format == "table") || (p.Type == "heatmap") != (q.Format == "heatmap") {
			t.Errorf("%s: a %s of format %s", p.Title, p.Type, q.Format)
		}
		if (p.Type == "timeseries" || p.Type == "state-timeline" || p.Type == "bargauge") && q.LegendFormat == "" {
			t.Errorf("%s: %s has no legend", p.Title, q.Expr)
		}
	}
	// As Grafana's own types have it since 13; before, these were the defaults.
	if p.Options.Footer != nil || p.Options.Legend != nil && p.Options.Legend.Calcs == nil {
		t.Errorf("%s: a footer %s, legend %+v", p.Title, p.Options.Footer, p.Options.Legend)
	}
	// A stat that always has a value says so by "or vector(0)".
	if f.NoValue == "" && !strings.HasSuffix(p.Targets[0].Expr, "or vector(0)") {
		t.Errorf("%s does not say what it means when it is empty", p.Title)
	}
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byName" || o.Matcher.Options == "" || len(o.Properties) == 0 {
			t.Errorf("%s: override %+v", p.Title, o)
		}
	}
}

// names finds what may be a metric in an expression.
var names = regexp.MustCompile(`\b(?:rotatord|process|go|promhttp)_[a-z0-9_]+`)

func TestDashboardsNameOnlyMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	must(t, err)
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(rotatord_[a-z0-9_]+)` \\| ([a-z]+) ").FindAllStringSubmatch(string(text), -1) {
		if row[2] != "histogram" {
			documented[row[1]] = true
			continue
		}
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			documented[row[1]+part] = true
		}
	}
	if len(documented) < 50 {
		t.Fatalf("only %d metrics found in docs/metrics.md", len(documented))
	}
	for file, d := range dashboards(t) {
		for _, q := range d.queries() {
			found := names.FindAllString(q.expr, -1)
			for _, name := range found {
				if strings.HasPrefix(name, "rotatord_") && !documented[name] {
					t.Errorf("%s, %s: docs/metrics.md knows no %s", file, q.where, name)
				}
			}
			if len(found) == 0 && !strings.Contains(q.expr, "ALERTS{") && !strings.Contains(q.expr, "up{") {
				t.Errorf("%s, %s: no metric in %s", file, q.where, q.expr)
			}
		}
	}
}

// query is one query of a dashboard, as it stands there.
type query struct {
	where string // "panel: Conditions, A"
	expr  string
	over  bool // evaluated over a time, not only now
	label string
}

// queries are those of panels, of annotations and of variables.
func (d dashboard) queries() []query {
	var found []query
	section := ""
	for _, p := range d.Panels {
		if p.Type == "row" {
			section = p.Title
		}
		for _, q := range p.Targets {
			found = append(found, query{where: section + " / " + p.Title + " / " + q.RefID, expr: q.Expr, over: q.Range})
		}
	}
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			found = append(found, query{where: "annotation / " + a.Name, expr: a.Expr, over: true})
		}
	}
	values := regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			parts := values.FindStringSubmatch(v.Definition)
			if parts == nil {
				parts = []string{"", v.Definition, "?"}
			}
			found = append(found, query{where: "variable / " + v.Name, expr: parts[1], label: parts[2]})
		}
	}
	return found
}
