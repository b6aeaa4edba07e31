package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFaultsBeginWhenTold(t *testing.T) {
	f, err := parseFaults([]string{"collapse@30", " leak"})
	require.NoError(t, err)
	assert.False(t, f.on(collapse, 29))
	assert.True(t, f.on(collapse, 31))
	assert.True(t, f.begins(leak, firstFault))
	assert.False(t, f.begins(stall, 0), "a fault that was not asked for")
	assert.False(t, f.on(stall, 1000))
}

func TestEveryWrongFaultIsNamed(t *testing.T) {
	_, err := parseFaults([]string{"colapse", "leak@soon", "fail@0"})
	require.ErrorContains(t, err, "colapse: expected one of collapse, stall, fail, leak, orphans, crash")
	require.ErrorContains(t, err, `"soon" is not an iteration`)
	require.ErrorContains(t, err, `"0" is not an iteration`)
}
