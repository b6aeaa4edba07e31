// Package dashboard reads the Grafana dashboard for the tests: its structure, and
// every query that Grafana would send.
package dashboard

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Dashboard is the part of Grafana's dashboard JSON that the tests look at.
type Dashboard struct {
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Refresh       string `json:"refresh"`
	Annotations   struct {
		List []Annotation `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []Variable `json:"list"`
	} `json:"templating"`
	Panels []Panel `json:"panels"`
}

// Annotation marks moments in all panels.
type Annotation struct {
	Name       string     `json:"name"`
	Datasource Datasource `json:"datasource"`
	Expr       string     `json:"expr"`
	Enable     bool       `json:"enable"`
}

// Variable is chosen at the top of the dashboard.
type Variable struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Datasource Datasource `json:"datasource"`
	IncludeAll bool       `json:"includeAll"`
	AllValue   string     `json:"allValue"`
	Definition string     `json:"definition"`
}

// Panel is a panel, or the heading of a row.
type Panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  Datasource `json:"datasource"`
	GridPos     struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit       string `json:"unit"`
			Thresholds struct {
				Steps []struct {
					Color string   `json:"color"`
					Value *float64 `json:"value"`
				} `json:"steps"`
			} `json:"thresholds"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []Target `json:"targets"`
}

// Target is one query of a panel.
type Target struct {
	RefID      string     `json:"refId"`
	Datasource Datasource `json:"datasource"`
	Expr       string     `json:"expr"`
}

// Datasource says whom to ask.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Kinds of queries.
const (
	KindPanel      = "panel"
	KindAnnotation = "annotation"
	KindVariable   = "variable"
)

// Query is PromQL with every variable of the dashboard replaced by what it stands
// for when All is chosen.
type Query struct {
	// Kind is one of the Kind values. An annotation has data only at the moments
	// that it marks, so ask for it over a range with a step of Interval.
	Kind string
	// Name is the title of the panel or the name of the annotation or variable.
	Name string
	Expr string
}

// Interval stands for Grafana's $__interval, RateInterval for $__rate_interval.
const (
	Interval     = "5s"
	RateInterval = "30s"
)

// Read parses the dashboard in file.
func Read(file string) (*Dashboard, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the dashboard: %w", err)
	}
	var d Dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("parsing the dashboard %s: %w", file, err)
	}
	return &d, nil
}

// Queries returns all queries of the dashboard in file, in its order.
func Queries(file string) ([]Query, error) {
	d, err := Read(file)
	if err != nil {
		return nil, err
	}
	return d.Queries()
}

// Queries returns all queries of the dashboard, in its order.
func (d *Dashboard) Queries() ([]Query, error) {
	var queries []Query
	add := func(kind, name, expr string) error {
		substituted, err := d.substitute(expr)
		if err != nil {
			return fmt.Errorf("%s %q: %w", kind, name, err)
		}
		queries = append(queries, Query{Kind: kind, Name: name, Expr: substituted})
		return nil
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		expr, err := labelValues(v.Definition)
		if err != nil {
			return nil, fmt.Errorf("variable %q: %w", v.Name, err)
		}
		if err := add(KindVariable, v.Name, expr); err != nil {
			return nil, err
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr == "" {
			continue
		}
		if err := add(KindAnnotation, a.Name, a.Expr); err != nil {
			return nil, err
		}
	}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			if err := add(KindPanel, p.Title, t.Expr); err != nil {
				return nil, err
			}
		}
	}
	return queries, nil
}

var variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)

// substitute replaces the variables in expr, and fails for one that the dashboard
// does not define.
func (d *Dashboard) substitute(expr string) (string, error) {
	values := map[string]string{"__interval": Interval, "__rate_interval": RateInterval}
	for _, v := range d.Templating.List {
		if v.IncludeAll {
			values[v.Name] = v.AllValue
		}
	}
	var unknown []string
	result := variable.ReplaceAllStringFunc(expr, func(match string) string {
		name := variable.FindStringSubmatch(match)[1]
		value, ok := values[name]
		if !ok && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
		return value
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("the dashboard does not define %s, used in %s", strings.Join(unknown, ", "), expr)
	}
	return result, nil
}

var definition = regexp.MustCompile(`^label_values\((.+),\s*([a-zA-Z_][a-zA-Z0-9_]*)\)$`)

// labelValues turns Grafana's label_values(selector, label) into PromQL.
func labelValues(query string) (string, error) {
	match := definition.FindStringSubmatch(query)
	if match == nil {
		return "", fmt.Errorf("%q is not of the form label_values(selector, label)", query)
	}
	return fmt.Sprintf("group by (%s) (%s)", match[2], match[1]), nil
}
