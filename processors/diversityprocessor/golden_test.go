package diversityprocessor

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/semconv"
)

// goldenCase is a population with the values that each measure must take.
type goldenCase struct {
	Name    string
	Kind    string
	Genomes []any
	Bounds  *struct {
		Lo, Hi []float64
	}
	Expected  map[string]any
	Tolerance map[string]float64
}

// goldenNames maps the names of the file to ours.
var goldenNames = map[string]string{
	"mean_pairwise_distance": semconv.MeasureMeanPairwiseDistance,
	"unique_ratio":           semconv.MeasureUniqueRatio,
	"entropy_norm":           semconv.MeasureEntropy,
	"hill1":                  semconv.MeasureHill1,
	"vendi_q2":               semconv.MeasureVendi2,
	"fixed_loci_fraction":    semconv.MeasurePolymorphicLociRatio,
	"vendi":                  semconv.MeasureVendi1,
	"mpd_euclidean":          semconv.MeasureMeanPairwiseEuclidean,
}

func TestReferenceValues(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "golden-public.json"))
	require.NoError(t, err)
	var file struct{ Cases []goldenCase }
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			config := createDefaultConfig().(*Config)
			config.Measures = measure.All()
			got := run(t, config, c.request(t))
			values := byMeasure(got)
			for name, ours := range goldenNames {
				want, listed := c.Expected[name]
				if !listed {
					continue
				}
				value, emitted := values[ours]
				if want == nil {
					assert.False(t, emitted, "%s must not be emitted, is %v", ours, value)
					continue
				}
				number := want.(float64)
				if name == "fixed_loci_fraction" {
					number = 1 - number
				}
				if !assert.True(t, emitted, "%s is not emitted", ours) {
					continue
				}
				tolerance, ok := c.Tolerance[name]
				if !ok {
					tolerance = c.Tolerance["default"]
				}
				assert.InDelta(t, number, value, tolerance*math.Max(1, math.Abs(number)), ours)
				if relative, ok := c.Tolerance["relative"]; ok {
					assert.InDelta(t, number, value, relative*math.Abs(number), ours)
				}
			}
			if len(c.Genomes) == 0 {
				assert.Empty(t, values)
				return
			}
			counts := byAttribute(got, semconv.PopulationIndividuals.Name, semconv.AttrIndividualValidity)
			assert.InDelta(t, c.Expected["n_valid"], counts[semconv.ValidityValid], 0)
			invalid := map[string]float64{}
			for _, one := range c.Expected["invalid"].([]any) {
				invalid[one.(map[string]any)["reason"].(string)]++
			}
			if bounds, ok := c.Expected["out_of_bounds"]; ok {
				assert.InDelta(t, bounds, counts[semconv.ValidityOutOfBounds], 0)
			}
			for _, reason := range []string{semconv.ValidityNonFinite, semconv.ValidityLength, semconv.ValidityEmpty, semconv.ValidityMissing} {
				assert.InDelta(t, invalid[reason], counts[reason], 0, reason)
			}
		})
	}
}

// request sends the case as a loop would: genes scaled by the declared bounds,
// categories that are strings numbered.
func (c goldenCase) request(t *testing.T) pmetric.Metrics {
	request := pmetric.NewMetrics()
	m := request.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(semconv.IndividualFitness.Name)
	points := m.SetEmptyGauge().DataPoints()
	categories := map[any]int64{}
	for i, genome := range c.Genomes {
		point := points.AppendEmpty()
		point.SetDoubleValue(float64(i))
		point.Attributes().PutStr(semconv.AttrRunID, "golden")
		point.Attributes().PutStr(semconv.AttrIndividualID, strconv.Itoa(i))
		if genome == nil {
			continue
		}
		if c.Kind == "id" {
			point.Attributes().PutStr(semconv.AttrIndividualGenome, genome.(string))
			continue
		}
		slice := point.Attributes().PutEmptySlice(semconv.AttrIndividualGenome)
		for locus, gene := range genome.([]any) {
			switch c.Kind {
			case "tokens":
				slice.AppendEmpty().SetStr(gene.(string))
			case "categorical":
				if _, ok := categories[gene]; !ok {
					categories[gene] = int64(len(categories))
				}
				slice.AppendEmpty().SetInt(categories[gene])
			case "numeric":
				slice.AppendEmpty().SetDouble(c.scale(t, gene, locus))
			}
		}
	}
	return request
}

func (c goldenCase) scale(t *testing.T, gene any, locus int) float64 {
	x, ok := gene.(float64)
	if !ok {
		var err error
		x, err = strconv.ParseFloat(gene.(string), 64)
		require.NoError(t, err)
	}
	if c.Bounds == nil || locus >= len(c.Bounds.Lo) || math.IsNaN(x) || math.IsInf(x, 0) {
		return x
	}
	lo, hi := c.Bounds.Lo[locus], c.Bounds.Hi[locus]
	if lo == hi {
		return 0
	}
	return (x/2 - lo/2) / (hi/2 - lo/2)
}

// run passes a request through a processor as the Collector makes it.
func run(t *testing.T, config *Config, request pmetric.Metrics) pmetric.Metrics {
	t.Helper()
	sink := &consumertest.MetricsSink{}
	p, err := NewFactory().CreateMetrics(context.Background(), processortest.NewNopSettings(metadata.Type), config, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, p.ConsumeMetrics(context.Background(), request))
	require.NoError(t, p.Shutdown(context.Background()))
	if all := sink.AllMetrics(); len(all) > 0 {
		return all[0]
	}
	return pmetric.NewMetrics()
}

func byMeasure(m pmetric.Metrics) map[string]float64 {
	values := byAttribute(m, semconv.PopulationDiversity.Name, semconv.AttrDiversityMeasure)
	for name, value := range byAttribute(m, semconv.PopulationEffectiveSize.Name, semconv.AttrDiversityMeasure) {
		values[name] = value
	}
	return values
}

// byAttribute gives a metric's values by the value of an attribute.
func byAttribute(m pmetric.Metrics, name, attribute string) map[string]float64 {
	values := map[string]float64{}
	for _, metric := range metrics(m) {
		if metric.Name() != name {
			continue
		}
		for _, point := range metric.Gauge().DataPoints().All() {
			value, ok := point.Attributes().Get(attribute)
			if !ok {
				value = pcommon.NewValueStr("")
			}
			values[value.AsString()] = point.DoubleValue()
		}
	}
	return values
}

// metrics are all metrics of a request.
func metrics(m pmetric.Metrics) []pmetric.Metric {
	var all []pmetric.Metric
	for _, resource := range m.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				all = append(all, metric)
			}
		}
	}
	return all
}
