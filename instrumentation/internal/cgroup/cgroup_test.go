package cgroup_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/instrumentation/internal/cgroup"
)

const noLimitV1 = "9223372036854771712\n"

func tree(files map[string]string) fs.FS {
	root := fstest.MapFS{}
	for name, content := range files {
		root[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return root
}

// group adds the files of one cgroup.
func group(to map[string]string, dir, limit, usage, inactive string, v2 bool) map[string]string {
	if v2 {
		to["sys/fs/cgroup/cgroup.controllers"] = "memory"
		to[dir+"/memory.max"], to[dir+"/memory.current"] = limit, usage
		to[dir+"/memory.stat"] = "anon 1\ninactive_file " + inactive + "\n"
		return to
	}
	to[dir+"/memory.limit_in_bytes"], to[dir+"/memory.usage_in_bytes"] = limit, usage
	to[dir+"/memory.stat"] = "inactive_file 1\ntotal_inactive_file " + inactive + "\n"
	return to
}

func TestTheLimitThatApplies(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  cgroup.Memory
		err   error
	}{
		"v2": {
			group(map[string]string{"proc/self/cgroup": "0::/a/b\n"}, "sys/fs/cgroup/a/b", "1000\n", "700\n", "200", true),
			cgroup.Memory{Usage: 500, Limit: 1000}, nil,
		},
		"v2, limited by an ancestor": {
			group(group(map[string]string{"proc/self/cgroup": "0::/a/b\n"}, "sys/fs/cgroup/a/b", "max\n", "300\n", "0", true),
				"sys/fs/cgroup/a", "1000\n", "900\n", "0", true),
			cgroup.Memory{Usage: 900, Limit: 1000}, nil,
		},
		"v2, the one with the least left": {
			group(group(map[string]string{"proc/self/cgroup": "0::/a/b\n"}, "sys/fs/cgroup/a/b", "500\n", "100\n", "0", true),
				"sys/fs/cgroup/a", "1000\n", "900\n", "0", true),
			cgroup.Memory{Usage: 900, Limit: 1000}, nil,
		},
		"v2, no limit": {
			group(map[string]string{"proc/self/cgroup": "0::/a\n"}, "sys/fs/cgroup/a", "max\n", "700\n", "200", true),
			cgroup.Memory{}, cgroup.ErrNoLimit,
		},
		"v2, cgroup namespace: the container is the root": {
			group(map[string]string{"proc/self/cgroup": "0::/\n"}, "sys/fs/cgroup", "1000\n", "700\n", "800", true),
			cgroup.Memory{Usage: 0, Limit: 1000}, nil,
		},
		"v1": {
			group(map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/c\n0::/\n"}, "sys/fs/cgroup/memory/docker/c", "1000\n", "700\n", "200", false),
			cgroup.Memory{Usage: 500, Limit: 1000}, nil,
		},
		"v1, the host's path, the container mounted as the root": {
			group(map[string]string{"proc/self/cgroup": "4:memory:/docker/c\n"}, "sys/fs/cgroup/memory", "1000\n", "700\n", "200", false),
			cgroup.Memory{Usage: 500, Limit: 1000}, nil,
		},
		"v1, no limit": {
			group(map[string]string{"proc/self/cgroup": "4:memory:/\n"}, "sys/fs/cgroup/memory", noLimitV1, "700\n", "200", false),
			cgroup.Memory{}, cgroup.ErrNoLimit,
		},
		"hybrid": {
			group(map[string]string{"proc/self/cgroup": "4:memory:/c\n0::/c\n", "sys/fs/cgroup/unified/cgroup.controllers": ""}, "sys/fs/cgroup/memory/c", "1000\n", "700\n", "200", false),
			cgroup.Memory{Usage: 500, Limit: 1000}, nil,
		},
		"nothing mounted": {map[string]string{"proc/self/cgroup": "0::/\n"}, cgroup.Memory{}, cgroup.ErrNoLimit},
		"no /proc":        {nil, cgroup.Memory{}, fs.ErrNotExist},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := cgroup.ReadMemory(tree(test.files))
			if test.err != nil {
				require.ErrorIs(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"malformed membership": {"proc/self/cgroup": "nonsense\n"},
		"malformed limit":      group(map[string]string{"proc/self/cgroup": "0::/a\n"}, "sys/fs/cgroup/a", "-1\n", "700\n", "0", true),
		"malformed usage":      group(map[string]string{"proc/self/cgroup": "0::/a\n"}, "sys/fs/cgroup/a", "1\n", "x\n", "0", true),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cgroup.ReadMemory(tree(files))
			require.Error(t, err)
			assert.NotErrorIs(t, err, cgroup.ErrNoLimit)
		})
	}
}

func FuzzReadMemory(f *testing.F) {
	f.Add("0::/a\n", "max", "1", "inactive_file 1")
	f.Add("4:memory:/a\n", "1000", "1", "total_inactive_file 2")
	f.Add("0::/../..\n", "1", "-1", "\x00")
	f.Fuzz(func(t *testing.T, membership, limit, usage, stat string) {
		files := map[string]string{"proc/self/cgroup": membership, "sys/fs/cgroup/cgroup.controllers": ""}
		for _, dir := range []string{"sys/fs/cgroup/a", "sys/fs/cgroup", "sys/fs/cgroup/memory/a", "sys/fs/cgroup/memory"} {
			for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
				files[dir+"/"+name] = limit
			}
			for _, name := range []string{"memory.current", "memory.usage_in_bytes"} {
				files[dir+"/"+name] = usage
			}
			files[dir+"/memory.stat"] = stat
		}
		m, err := cgroup.ReadMemory(tree(files))
		if err == nil && (m.Usage < 0 || m.Limit < 0) {
			t.Errorf("negative memory: %+v", m)
		}
	})
}
