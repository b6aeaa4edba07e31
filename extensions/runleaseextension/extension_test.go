package runleaseextension

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/evotel/evotel/extensions/runleaseextension/internal/metadata"
	"github.com/evotel/evotel/extensions/runleaseextension/lease"
	"github.com/evotel/evotel/sandbox"
)

var storageID = component.MustNewID("some_storage")

// memory is a storage extension that outlives the Collector of a test.
type memory struct {
	component.StartFunc
	component.ShutdownFunc
	mu     sync.Mutex
	values map[string][]byte
	sets   int
	fail   error
	closed int
}

func (m *memory) read() (values map[string][]byte, sets int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values), m.sets
}

func (m *memory) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return memoryClient{storage.NewNopClient(), m}, nil
}

// memoryClient is one component's access to the memory.
type memoryClient struct {
	storage.Client
	*memory
}

func (m memoryClient) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], m.fail
}

func (m memoryClient) Set(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets++
	if m.fail == nil {
		m.values[key] = value
	}
	return m.fail
}

func (m memoryClient) Close(context.Context) error { m.closed++; return nil }

type testHost map[component.ID]component.Component

func (h testHost) GetExtensions() map[component.ID]component.Component { return h }

// receiverView is what the receiver and the processor see of the extension.
type receiverView interface {
	extension.Extension
	Hear(lease.Report)
	Run(id string) sandbox.RunStatus
	Sandbox(id string, created time.Time)
}

func start(t *testing.T, cfg *Config, m *memory) (receiverView, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	set := extensiontest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	host := testHost{}
	if m != nil {
		cfg.Storage = &storageID
		host[storageID] = m
	}
	e, err := NewFactory().Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), host))
	return e.(receiverView), logs
}

func ended(run string) lease.Report {
	return lease.Report{Source: "s", Runs: map[string]lease.Saying{run: {Word: lease.Ended, Time: 7}}}
}

func TestEndIsRememberedInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t, createDefaultConfig().(*Config), nil)
		e.Hear(ended("r"))
		time.Sleep(time.Minute)
		assert.Equal(t, sandbox.RunUnknown, e.Run("r"))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, sandbox.RunEnded, e.Run("r"))
		e.Sandbox("r", time.Now())
		assert.Equal(t, sandbox.RunHeard, e.Run("r"))
		require.NoError(t, e.Shutdown(t.Context()))
		require.NoError(t, e.Shutdown(t.Context()))
	})
}

func TestSilenceIsTimedByTheClocksOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(t, createDefaultConfig().(*Config), nil)
		running := func(source, run string) {
			e.Hear(lease.Report{Source: source, Runs: map[string]lease.Saying{run: {Word: lease.Running}}})
		}
		for range 20 {
			running("a", "r")
			running("b", "other")
			time.Sleep(time.Minute)
		}
		for range 70 {
			assert.Equal(t, sandbox.RunHeard, e.Run("other"))
			running("b", "other")
			time.Sleep(time.Minute)
		}
		assert.Equal(t, sandbox.RunSilent, e.Run("r"))
		require.NoError(t, e.Shutdown(t.Context()))
	})
}

func TestEndIsRememberedInStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &memory{values: map[string][]byte{}}
		e, _ := start(t, createDefaultConfig().(*Config), kept)
		e.Hear(ended("r"))
		// It is saved at once, so that a Collector that is killed has it, too.
		time.Sleep(10 * time.Second)
		values, sets := kept.read()
		killed := &memory{values: values}
		time.Sleep(10 * time.Minute)
		_, later := kept.read()
		assert.InDelta(t, sets+10, later, 1, "what only gets older is saved once a minute")
		require.NoError(t, e.Shutdown(t.Context()))
		assert.Equal(t, 1, kept.closed)

		for _, m := range []*memory{kept, killed} {
			e, logs := start(t, createDefaultConfig().(*Config), m)
			assert.Equal(t, 1, logs.FilterMessageSnippet("Remembering runs").Len())
			assert.Equal(t, sandbox.RunUnknown, e.Run("r"), "the Collector is young")
			time.Sleep(3 * time.Minute)
			assert.Equal(t, sandbox.RunEnded, e.Run("r"))
			require.NoError(t, e.Shutdown(t.Context()))
		}
	})
}

func TestStorageThatFailsLosesOnlyMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{values: map[string][]byte{}, fail: errors.New("disk full")}
		e, logs := start(t, createDefaultConfig().(*Config), m)
		assert.Equal(t, 1, logs.FilterMessageSnippet("is lost").Len())
		e.Hear(ended("r"))
		time.Sleep(5 * time.Minute)
		assert.Equal(t, sandbox.RunEnded, e.Run("r"))
		assert.Equal(t, 1, logs.FilterMessageSnippet("can't be saved").Len(), "it is told once")
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		time.Sleep(2 * time.Minute)
		assert.Equal(t, 1, logs.FilterMessageSnippet("saved again").Len())
		require.NoError(t, e.Shutdown(t.Context()))

		m.values[key] = []byte("not what was saved")
		e, logs = start(t, createDefaultConfig().(*Config), m)
		assert.Equal(t, 1, logs.FilterMessageSnippet("is lost").Len())
		time.Sleep(5 * time.Minute)
		assert.Equal(t, sandbox.RunUnknown, e.Run("r"))
		require.NoError(t, e.Shutdown(t.Context()))
	})
}

func TestStorageMustBeOne(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Storage = &storageID
	e, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	assert.Equal(t, []component.ID{storageID}, e.(extensioncapabilities.Dependent).Dependencies())
	require.ErrorContains(t, e.Start(t.Context(), componenttest.NewNopHost()), `"some_storage" is not one`)
	require.NoError(t, e.Shutdown(t.Context()))
}
