#!/bin/bash
# tests/deps.sh - installs what the tests use beyond a C compiler: Debian
# packages, for Debian 12, as root. Says what and how much first; does
# nothing when nothing is missing. --list prints the packages and leaves.
#
# Not gcc-multilib: it removes every cross compiler. lib32gcc-12-dev with
# libc6-dev-i386 gives -m32 without it.

set -eu
mkdir -p build/log
finish() {
    printf 'deps\t%d\t0\t0\t0\n' $SECONDS >build/log/deps.tsv
    exit 0
}
packages="
    gcc g++ libc6-dev clang clang-format
    clang-19 llvm-19 libclang-rt-19-dev tcc
    libc6-dev-i386 lib32gcc-12-dev
    gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static
    gcc-arm-none-eabi gcc-avr avr-libc
    valgrind tshark curl iproute2 nftables
    python3 procps gnuplot-nox
    apache2-utils wrk nginx iputils-ping
    libslirp-dev"

case "${1:-}" in
--list)
    echo $packages
    exit 0
    ;;
--help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

apt="apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300"
export DEBIAN_FRONTEND=noninteractive

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
        installed ]
}

missing=
for p in $packages; do
    installed "$p" || missing="$missing $p"
done
if [ -z "$missing" ]; then
    echo "deps: nothing to install"
    finish
fi
if [ "$(id -u)" != 0 ]; then
    echo "deps: these Debian packages are missing, and installing needs" \
        "root:$missing" >&2
    exit 1
fi
# The lists are fetched only when they are not there or too old to serve.
if ! $apt -s install $missing >/dev/null 2>&1; then
    echo "deps: apt-get update"
    apt-get -q -o DPkg::Lock::Timeout=300 update
fi
plan() { $apt --assume-no install $missing 2>/dev/null || true; }
echo "deps: will install these Debian packages:$missing"
plan | grep -E '^(Need to get|After this|[0-9]+ upgraded)' | sed 's/^/deps: /'
if plan | grep -q '^The following packages will be REMOVED'; then
    echo "deps: that would remove packages; not doing it" >&2
    exit 1
fi
# A web server is wanted, but not running: Debian starts services as it
# installs them, unless this says no (policy-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
if ! $apt install $missing >build/deps.log 2>&1; then
    # A stale list names files that the mirror no longer has.
    echo "deps: apt-get update, and once more"
    apt-get -q -o DPkg::Lock::Timeout=300 update
    $apt install $missing >build/deps.log 2>&1 || {
        tail -n 20 build/deps.log >&2
        exit 1
    }
fi
echo "deps: done, $SECONDS s"
finish
