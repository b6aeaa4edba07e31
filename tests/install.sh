# Installs what tests need and this machine lacks: sh tests/install.sh
# Debian with root: the Docker Engine, Node.js, Python, a C compiler for the race
# detector. Elsewhere it says what to install; the tests that need it are then
# skipped, and say so.
set -eu

missing=""
# need COMMAND PACKAGE...
need() {
	command=$1
	shift
	command -v "$command" >/dev/null 2>&1 || missing="$missing $*"
}
need gcc gcc libc6-dev
need dockerd docker.io
need python3 python3 python3-venv
need node nodejs npm
command -v iptables >/dev/null 2>&1 || [ -x /usr/sbin/iptables ] || missing="$missing iptables"

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing$missing"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
		tail -n 15 "$log" >&2
		rm -f "$log"
		echo "Installing$missing failed; install them by hand and run the command again." >&2
		exit 1
	fi
	rm -f "$log"
	exit 0
fi
echo "Tests need what is not installed here. On Debian: sudo apt-get install$missing"
echo "Without it the tests that need it are skipped, loudly; with CI set they fail."
