// Package evotel embeds the files that the evotel command runs the pipeline
// with, so that the command needs nothing beside it but the servers.
package evotel

import "embed"

// Files holds collector-config/*.yaml and alertrules/*.yaml under those paths.
//
//go:embed collector-config/*.yaml alertrules/*.yaml
var Files embed.FS
