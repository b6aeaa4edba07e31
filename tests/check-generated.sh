# Fails if a generated file is not what its source makes: sh tests/check-generated.sh
# Go module files, mdatagen's files, and the Collector's source as ocb writes it.
set -eu
PATH="$PWD/bin:$PATH"
export PATH
status=0
stale() {
	echo "$1" >&2
	status=1
}

echo "generated files"
go mod tidy -diff >/dev/null || stale "go.mod or go.sum is not tidy: run 'go mod tidy' and commit the result."

# mdatagen writes where metadata.yaml is, so a copy of the module is generated anew.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - 2>/dev/null | tar -xf - -C "$copy"
(cd "$copy" && go generate ./...)
for made in $(cd "$copy" && find . \( -name 'generated_*.go' -o -name documentation.md -o -name README.md \) -not -path './node_modules/*'); do
	cmp -s "$made" "$copy/$made" || stale "$made is stale: run 'make generate' and commit the result."
done
for made in $(git ls-files '*generated_*.go'); do
	[ -e "$copy/$made" ] || stale "$made is not generated any more: remove it."
done

# ocb takes the components' versions from builder-config.yaml, tests take them
# from go.mod: they must be tested in the versions that run.
sed -n 's/^ *- gomod: *\([^ ]*\) \(v[^ ]*\)$/\1 \2/p' builder-config.yaml | while read -r module version; do
	case $module in github.com/evotel/evotel) continue ;; esac
	tested=$(go list -m -f '{{.Version}}' "$module" 2>/dev/null || true)
	[ -z "$tested" ] || [ "$tested" = "$version" ] || echo "$module is $version in builder-config.yaml and $tested in go.mod."
done >"$copy/versions"
if [ -s "$copy/versions" ]; then
	stale "$(cat "$copy/versions")"
fi
if [ -d build/evotelcol ]; then
	sed "s|output_path: .*|output_path: $copy/fresh|" builder-config.yaml >"$copy/builder-config.yaml"
	(cd "$copy" && TMPDIR="$copy" builder --config builder-config.yaml --skip-compilation --skip-get-modules >ocb.log 2>&1) || stale "ocb refuses builder-config.yaml: $(tail -n 3 "$copy/ocb.log")"
	for made in main.go components.go; do
		cmp -s "build/evotelcol/$made" "$copy/fresh/$made" || stale "bin/evotelcol is not built from this builder-config.yaml: run 'make build'."
	done
fi
exit $status
